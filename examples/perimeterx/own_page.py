"""Changing what blocked visitors see, and what the service is told.

Handlers are functions; they stand in front of the configuration that names
them. The block page gets a logo, a style sheet and a script of ours, and who
moves too fast gets a page that is ours altogether.

    python tests/fake_perimeterx.py examples/perimeterx/own_page.py

    curl -i 'http://127.0.0.1:8080/'
    curl -i 'http://127.0.0.1:8080/?score=100'
    curl -i 'http://127.0.0.1:8080/?score=100&action=r'
"""

from __future__ import annotations

import os
import sys

# Started as a script, this file's folder must not hide the package.
sys.path[:] = [path for path in sys.path if path != os.path.dirname(__file__)]

from collections import Counter  # noqa: E402
from html import escape  # noqa: E402

from poorwsgi import Application  # noqa: E402
from poorwsgi.perimeterx import PerimeterX  # noqa: E402

#: Where a service that plays PerimeterX listens; without it, the real one.
SERVICE = os.environ.get("PX_SERVICE_URL")

#: How often each reason has decided, in this process.
COUNTED: Counter[str] = Counter()

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>One moment</title>
<h1>One moment, please</h1>
<p>You are faster than we are. Try again in a minute.</p>
<p>Reference: <code>{uuid}</code></p>
"""


def answer_blocked(ctx, config, environ):
    """Give a page of our own to who moves too fast, the usual one to others."""
    if ctx.block_action != "r" or config.module_mode != "active_blocking":
        return None
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Retry-After": "60",
    }
    return PAGE.format(uuid=escape(ctx.uuid)), headers, 429


def note_activity(ctx, config):
    """Count what was decided; the answer is settled."""
    COUNTED[ctx.block_reason or ctx.pass_reason] += 1


def add_parameters(params):
    """Tell the service what it cannot see, by ten names that are given."""
    return {**params, "custom_param1": "spring-sale"}


PX_CONFIG = {
    "app_id": os.environ.get("PX_APP_ID", "PXabcd1234"),
    "cookie_key": os.environ.get("PX_COOKIE_KEY", "test-cookie-key"),
    "auth_token": os.environ.get("PX_AUTH_TOKEN", "test-auth-token"),
    "module_mode": "active_blocking",
    "custom_logo": "/assets/logo.svg",
    "css_ref": "/assets/challenge.css",
    "js_ref": "/assets/challenge.js",
    "custom_request_handler": answer_blocked,
    "additional_activity_handler": note_activity,
    "enrich_custom_parameters": add_parameters,
    "api_timeout": int(os.environ.get("PX_API_TIMEOUT", "1000")),
    "px_backend_url": SERVICE,
    "client_url": SERVICE,
    "captcha_url": SERVICE,
    "collector_url": SERVICE,
}

app = Application("perimeterx-own-page")


@app.route("/")
def shop(req):
    """Show what was decided so far."""
    return {"let in": True, "counted": COUNTED}


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
