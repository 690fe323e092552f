"""Bot enforcement for one route, in two ways.

The middleware goes around the application that is mounted there, and nothing
else knows of it. Its scripts lie at the root of the site, which it does not
guard: so first party is off, and pages load them from the service.

    python tests/fake_perimeterx.py examples/perimeterx/one_route.py

    curl -i 'http://127.0.0.1:8080/?score=100'
    curl -i 'http://127.0.0.1:8080/login?score=0'
    curl -i 'http://127.0.0.1:8080/login?score=100'
"""

from __future__ import annotations

import os
import sys

# Started as a script, this file's folder must not hide the package.
sys.path[:] = [path for path in sys.path if path != os.path.dirname(__file__)]

from poorwsgi import Application  # noqa: E402
from poorwsgi.perimeterx import PerimeterX  # noqa: E402

#: Where a service that plays PerimeterX listens; without it, the real one.
SERVICE = os.environ.get("PX_SERVICE_URL")

PX_CONFIG = {
    "app_id": os.environ.get("PX_APP_ID", "PXabcd1234"),
    "cookie_key": os.environ.get("PX_COOKIE_KEY", "test-cookie-key"),
    "auth_token": os.environ.get("PX_AUTH_TOKEN", "test-auth-token"),
    "module_mode": "active_blocking",
    "api_timeout": int(os.environ.get("PX_API_TIMEOUT", "1000")),
    "px_backend_url": SERVICE,
}

login = Application("perimeterx-login")


@login.route("/")
@login.route("")
def ask(req):
    """Whoever gets here was let in."""
    return "<h1>Log in</h1>"


application = Application("perimeterx-site")


@application.route("/")
def index(req):
    """Nobody is asked about here."""
    return "<h1>Welcome, everybody</h1>"


# 1. Around what is mounted: no other request passes the middleware.
application.mount(
    "/login", PerimeterX(login, PX_CONFIG | {"first_party_enabled": False})
)

# 2. Around all of it, enforcing a list of prefixes; first party works:
#    PerimeterX(site, PX_CONFIG | {"enforced_specific_routes": ["/login"]})


def main() -> None:
    """Serve for development."""
    from wsgiref.simple_server import make_server

    port = int(os.environ.get("PORT", "8080"))
    with make_server("127.0.0.1", port, application) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
