"""A shop behind bot enforcement, on PoorWSGI.

Shows PerimeterX around an Application: a page to try scores, a route that is
always checked, one that never is, and a handler that answers bots itself.

    make run-perimeterx

runs it beside a service that plays PerimeterX. With an account of the real
one: PX_APP_ID=... PX_COOKIE_KEY=... PX_AUTH_TOKEN=... python poorwsgi.py

    curl -i 'http://127.0.0.1:8080/'
    curl -i 'http://127.0.0.1:8080/shop?score=100'
    curl -i -H 'Accept: application/json' 'http://127.0.0.1:8080/shop?score=100'
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
    # Start with "monitor", look at the reports, then block.
    "module_mode": os.environ.get("PX_MODE", "active_blocking"),
    "sensitive_routes": ["/login"],
    "whitelist_routes": ["/health"],
    "api_timeout": int(os.environ.get("PX_API_TIMEOUT", "1000")),
    "px_backend_url": SERVICE,
    "client_url": SERVICE,
    "captcha_url": SERVICE,
    "collector_url": SERVICE,
}

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shop</title>
<h1>Shop</h1>
<p>You came in. Try how the service's score changes that:</p>
<ul>
<li><a href="/shop?score=0">score 0</a>: comes in
<li><a href="/shop?score=100">score 100</a>: has to prove to be human
<li><a href="/shop?score=100&amp;action=r">score 100, action r</a>: is too fast
<li><a href="/shop?score=100&amp;action=j">score 100, action j</a>: a challenge
<li><a href="/login?score=100">/login</a>: is asked about with any cookie
<li><a href="/health?score=100">/health</a>: is never asked about
</ul>
"""

app = Application("shop")


@app.route("/")
@app.route("/shop")
@app.route("/login")
def shop(req):
    """Show the page; whoever gets here was let in."""
    return PAGE


@app.route("/health")
def health(req):
    """Answer the load balancer, which no bot detection should ask."""
    return "well", "text/plain"


application = PerimeterX(app, PX_CONFIG)


def main() -> None:
    """Serve for development."""
    from wsgiref.simple_server import make_server

    port = int(os.environ.get("PORT", "8080"))
    with make_server("127.0.0.1", port, application) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
