"""Bot enforcement around a Flask application.

PerimeterX is WSGI middleware: it takes the place of `app.wsgi_app`, so the
development server, tests and every real server meet it.

    python examples/perimeterx/flask.py
    uwsgi --http 127.0.0.1:8080 --threads 4 --wsgi-file examples/perimeterx/flask.py

    curl -i 'http://127.0.0.1:8080/'
    curl -i 'http://127.0.0.1:8080/?score=100'
    curl -i 'http://127.0.0.1:8080/account'
"""

from __future__ import annotations

import os
import sys

# Started as a script, this file's folder must not hide the package.
sys.path[:] = [path for path in sys.path if path != os.path.dirname(__file__)]

from flask import Flask  # noqa: E402

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

app = Flask(__name__)


@app.get("/")
def index():
    """Greet who was let in."""
    return "<h1>Hello</h1>"


@app.post("/order")
def order():
    """Take an order; behind the middleware, it is taken once."""
    return {"taken": True}


@app.get("/account")
def account():
    """Show what is always checked."""
    return "<h1>Your account</h1>"


app.wsgi_app = PerimeterX(app.wsgi_app, PX_CONFIG)

#: The name that WSGI servers look for.
application = app

if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ.get("PORT", "8080")))
