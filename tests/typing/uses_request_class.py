# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""An application with a class of requests of its own."""

from typing import assert_type

from poorwsgi import Application
from poorwsgi.request import Request


class User:
    name = "somebody"


class OurRequest(Request):
    """A request that knows who sent it."""

    @property
    def sender(self) -> User:
        return User()


class OurApplication(Application[OurRequest]):
    """A class attribute takes the place of the option."""

    request_class = OurRequest
    debug = True
    max_body_size = 1_000_000
    read_timeout = 2.5
    secret_key = "key"


class PlainApplication(Application):
    """As in programs written before the class of requests could be named."""

    request_class = OurRequest


def takes_any(app: Application) -> str:
    """What is made for applications is made for one with a class of its own."""
    return app.name


def annotated() -> None:
    app: Application[OurRequest] = Application("uses_request_class")
    app.request_class = OurRequest
    assert_type(app.request_class, type[OurRequest])
    app.request_class = Request  # type: ignore[assignment]


def called() -> None:
    """Type arguments work when the program runs, too."""
    app = Application[OurRequest]("uses_request_class")
    assert_type(app, Application[OurRequest])
    app.request_class = OurRequest


def plain() -> None:
    app = Application("uses_request_class")
    assert_type(app, Application[Request])
    assert_type(app.request_class, type[Request])
    app.request_class = OurRequest


app = OurApplication("uses_request_class")
assert_type(takes_any(app), str)
assert_type(app.request_class, type[OurRequest])


@app.route("/")
def root(req: OurRequest) -> str:
    """Its handlers name the class they get."""
    assert_type(req.sender, User)
    return req.sender.name


@app.before_response()
def before(req: OurRequest) -> None:
    req.user = req.sender
