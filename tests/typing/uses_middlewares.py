# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Middlewares around an application, and their settings."""

from collections.abc import Iterable
from typing import Any, assert_type
from wsgiref.simple_server import make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from poorwsgi import Application
from poorwsgi.moesif import (
    APIException,
    EventModel,
    MoesifAPIClient,
    MoesifMiddleware,
    capture_outgoing,
)
from poorwsgi.perimeterx import PerimeterX
from poorwsgi.request import Request

app = Application("uses_middlewares")


def identify(app: WSGIApplication, environ: WSGIEnvironment, headers: Any) -> str:
    return str(environ.get("REMOTE_USER", ""))


def mask(event: EventModel) -> EventModel:
    return event


settings = {
    "APPLICATION_ID": "id",
    "IDENTIFY_USER": identify,
    "MASK_EVENT_MODEL": mask,
    "LOG_BODY": False,
}
watched = MoesifMiddleware(app, settings)
assert_type(watched.flush(1.0), bool)
assert_type(watched.close(), bool)
watched.update_user({"user_id": "1"})

guarded = PerimeterX(
    watched, {"app_id": "id", "cookie_key": "key", "auth_token": "token"}
)
guarded.close()

# Each of them is a WSGI application for the next one, and for a server.
chain: list[WSGIApplication] = [app, watched, guarded, PerimeterX(app, None)]
make_server("127.0.0.1", 0, guarded)


def plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b""]


app.mount("/plain", plain)
MoesifMiddleware(plain, settings)
MoesifMiddleware("app", settings)  # type: ignore[arg-type]
PerimeterX(plain)  # type: ignore[call-arg]

with capture_outgoing(settings) as capture:
    assert_type(capture.flush(), bool)


def send() -> None:
    api = MoesifAPIClient("id").api
    try:
        api.create_event(EventModel())
    except APIException as error:
        assert_type(error.response_code, int | None)


@app.route("/")
def root(req: Request) -> str:
    return req.path
