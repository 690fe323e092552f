"""Bot enforcement around a Django site.

PerimeterX goes around `get_wsgi_application()`, in the project's wsgi.py. Here
the whole project is one file.

    python examples/perimeterx/django.py
    uwsgi --http 127.0.0.1:8080 --threads 4 --wsgi-file examples/perimeterx/django.py

    curl -i 'http://127.0.0.1:8080/'
    curl -i 'http://127.0.0.1:8080/?score=100'
    curl -i 'http://127.0.0.1:8080/account'
"""

from __future__ import annotations

import os
import sys

# Started as a script, this file's folder must not hide the package.
sys.path[:] = [path for path in sys.path if path != os.path.dirname(__file__)]

from django.conf import settings  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

from poorwsgi.perimeterx import PerimeterX  # noqa: E402

#: Where a service that plays PerimeterX listens; without it, the real one.
SERVICE = os.environ.get("PX_SERVICE_URL")

PX_CONFIG = {
    "app_id": os.environ.get("PX_APP_ID", "PXabcd1234"),
    "cookie_key": os.environ.get("PX_COOKIE_KEY", "test-cookie-key"),
    "auth_token": os.environ.get("PX_AUTH_TOKEN", "test-auth-token"),
    "module_mode": os.environ.get("PX_MODE", "active_blocking"),
    "sensitive_routes": ["/account"],
    "api_timeout": int(os.environ.get("PX_API_TIMEOUT", "1000")),
    "px_backend_url": SERVICE,
    "client_url": SERVICE,
    "captcha_url": SERVICE,
    "collector_url": SERVICE,
}

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        SECRET_KEY=os.environ.get("SECRET_KEY", "only-for-this-example"),
    )


def index(request):
    """Greet who was let in."""
    return HttpResponse("<h1>Hello</h1>")


def order(request):
    """Take an order; behind the middleware, it is taken once."""
    return JsonResponse({"taken": True})


def account(request):
    """Show what is always checked."""
    return HttpResponse("<h1>Your account</h1>")


urlpatterns = [path("", index), path("order", order), path("account", account)]

application = PerimeterX(get_wsgi_application(), PX_CONFIG)


def main() -> None:
    """Serve for development."""
    from wsgiref.simple_server import make_server

    port = int(os.environ.get("PORT", "8080"))
    with make_server("127.0.0.1", port, application) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
