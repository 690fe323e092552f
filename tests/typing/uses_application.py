# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""An application: its decorators, tables and options."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, assert_type

from poorwsgi import Application, abort, make_response, redirect, state
from poorwsgi.request import Request
from poorwsgi.response import BaseResponse, HTTPException, TextResponse
from poorwsgi.routing import RouteGroup

app = Application("uses_application")
assert_type(app.name, str)


# -- a decorator gives the handler back as it is: names, defaults and result ---


@app.route("/")
def root(req: Request) -> str:
    return req.path


@app.route("/user/<id:int>", state.METHOD_GET_POST, name="user")
def user(req: Request, id: int, page: int = 1) -> dict[str, int]:
    return {"id": id, "page": page}


@app.route("/report", methods=["GET", "POST"])
@app.get("/a")
@app.post("/a")
@app.put("/a")
@app.patch("/a")
@app.delete("/a")
@app.options("/a")
@app.head("/b")
def report(req: Request) -> TextResponse:
    return TextResponse(req.uri)


@app.regular_route(r"/(?P<year>\d{4})$")
def year(req: Request, year: str) -> list[str]:
    return [year]


@app.default(state.METHOD_ALL)
def default(req: Request) -> bytes:
    return req.data or b""


@app.http_state(state.HTTP_NOT_FOUND)
def not_found(req: Request, **kwargs: object) -> tuple[str, int]:
    return "Not here", state.HTTP_NOT_FOUND


@app.error_handler(ValueError)
def value_error(req: Request, error: ValueError) -> tuple[str, int]:
    return str(error), 400


@app.before_response()
def before(req: Request) -> None:
    req.user = req.cookies


@app.after_response()
def after(req: Request, response: BaseResponse) -> BaseResponse:
    response.add_header("X-Seen", req.path)
    return response


def calls(req: Request, response: BaseResponse) -> None:
    """What a handler takes and returns is still known when it is called."""
    assert_type(root(req), str)
    assert_type(user(req, id=1, page=2), dict[str, int])
    assert_type(report(req=req), TextResponse)
    assert_type(year(req, "2026"), list[str])
    assert_type(default(req), bytes)
    assert_type(not_found(req, error=None), tuple[str, int])
    assert_type(value_error(req, ValueError()), tuple[str, int])
    assert_type(after(req, response), BaseResponse)
    user(req, "1")  # type: ignore[arg-type]
    root()  # type: ignore[call-arg]


class Handlers:
    """Handlers may be methods, and objects that can be called."""

    def page(self, req: Request) -> str:
        return req.path

    def __call__(self, req: Request) -> str:
        return req.path


handlers = Handlers()
app.set_route("/page", handlers.page)
assert_type(app.route("/call")(handlers), Handlers)
app.set_route("/none", None)  # type: ignore[arg-type]
app.route("/no-method", 1.5)  # type: ignore[arg-type]


# -- groups and mounts ---------------------------------------------------------

group = app.group("/api", "api")
assert_type(group, RouteGroup)
inner = RouteGroup("/inner")
group.add_group(inner)
app.add_group(inner)


@inner.route("/items/<id:int>", "GET", name="item")
@inner.get("/things/<id:int>")
def item(req: Request, id: int) -> dict[str, int]:
    return {"id": id}


@inner.before_response()
def before_group(req: Request) -> None:
    req.api = True


@inner.after_response()
def after_group(req: Request, response: BaseResponse) -> BaseResponse:
    return response


@inner.error_handler(KeyError)
def missing(req: Request, error: KeyError) -> str:
    return str(error)


def group_calls(req: Request, response: BaseResponse) -> None:
    assert_type(item(req, 1), dict[str, int])
    assert_type(after_group(req, response), BaseResponse)
    assert_type(missing(req, KeyError()), str)


app.mount("/other", Application("uses_application.other"))


# -- tables ------------------------------------------------------------------

Handler = Callable[..., Any]

assert_type(app.url_for("user", id=1), str)
assert_type(app.url_for(user, id=1), str)
assert_type(app.is_route("/"), bool)
assert_type(app.routes, dict[str, dict[int, Handler]])
assert_type(app.defaults, dict[int, Handler])
assert_type(app.states, dict[int, dict[int, Handler]])
assert_type(app.errors, dict[type[Exception], dict[int, Handler]])
assert_type(app.before, tuple[Handler, ...])
assert_type(list(app.regular_routes), list[re.Pattern[str]])
app.set_filter("even", r"\d*[02468]", int)
app.set_filter("tail", ".+")


# -- options -----------------------------------------------------------------

app.debug = True
app.secret_key = "key"
app.secret_key = [b"new", "old"]
app.max_args = None
app.max_args = 1_000
app.trusted_proxies = ["127.0.0.1"]
app.document_root = Path("public")
app.debug = "yes"  # type: ignore[assignment]
app.json_mime_types.append("text/json")
assert_type(app.debug, bool)
assert_type(app.keep_blank_values, int)
assert_type(app.data_size, int)
assert_type(app.max_body_size, int | None)
assert_type(app.read_timeout, float | None)
assert_type(app.document_root, str)
assert_type(app.trusted_proxies, tuple[str, ...] | None)
assert_type(app.json_mime_types, list[str])
assert_type(app.get_options(), dict[str, str])


# -- what ends a handler --------------------------------------------------------


def ends(req: Request) -> str:
    """Nothing is reached behind them, so no result is missing."""
    if req.method == "GET":
        redirect("/")
    elif req.method == "POST":
        abort(state.HTTP_FORBIDDEN)
    else:
        raise HTTPException(TextResponse("no"), realm="all")


def without_end() -> NoReturn:
    abort(404, error="none")


assert_type(make_response("text", status_code=201), BaseResponse)
# pyright keeps the very number.
numbers: list[int] = [state.METHOD_GET | state.METHOD_POST, state.HTTP_OK]


# -- WSGI ----------------------------------------------------------------------


class Upper:
    """A middleware of the user, typed by the words of PEP 3333."""

    def __init__(self, wsgi_app: Application) -> None:
        self.wsgi_app = wsgi_app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        return [block.upper() for block in self.wsgi_app(environ, start_response)]


application = Upper(app)
