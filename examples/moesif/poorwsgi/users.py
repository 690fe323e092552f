"""Who asks: the user of a token, or the one whom the application has let in.

What a token says is recorded without a look at its signature, which is enough
for statistics. What the application has verified counts more, so it is asked
first.

    python tests/fake_collector.py 9001 &
    python examples/moesif/poorwsgi/users.py

    curl -i http://127.0.0.1:8080/
    curl -i -H 'Authorization: Bearer e30.eyJlbWFpbCI6ImFubkBleGFtcGxlIn0.x' \\
        http://127.0.0.1:8080/
    curl -i -H 'X-Access-Token: e30.eyJlbWFpbCI6ImJvYkBleGFtcGxlIn0.x' \\
        http://127.0.0.1:8080/
"""

import os
from wsgiref.simple_server import make_server

from poorwsgi import Application
from poorwsgi.moesif import MoesifMiddleware

app = Application("moesif-users")


@app.route("/")
def index(req):
    """Say hello; a real application would have checked who it is."""
    return "Hello"


@app.route("/account")
def account(req):
    """Let somebody in; `check_bearer` and the like set req.user."""
    req.user = "carol@example"
    return "Your account"


@app.after_response()
def tell_user(req, response):
    """Say who it was to what goes around; req.environ is a copy."""
    if req.user:
        response.add_header("X-User", req.user)
    return response


def identify_user(app, environ, response_headers):
    """Say whom the application has verified; None leaves it to the token."""
    return response_headers.get("X-User")


SETTINGS = {
    "APPLICATION_ID": os.environ.get("APPLICATION_ID", "your application id"),
    "BASE_URI": os.environ.get("COLLECTOR", "http://127.0.0.1:9001"),
    "IDENTIFY_USER": identify_user,
    # The first of these that a request has; proxies for OAuth2 add their own.
    "AUTHORIZATION_HEADER_NAME": "X-Access-Token, Authorization",
    # The field of the token; "sub" if this is not set.
    "AUTHORIZATION_USER_ID_FIELD": "email",
    # The token itself is nobody's business.
    "REQUEST_HEADER_MASKS": ["Authorization", "X-Access-Token", "Cookie"],
}

application = MoesifMiddleware(app, SETTINGS)

if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8080"))
    with make_server("127.0.0.1", port, application) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()
