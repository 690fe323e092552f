"""Ways to a handler: filters, regular expressions, defaults, groups, names.

Run it by ``python examples/routing.py``, or give
``examples/routing.py:application`` to any WSGI server::

    curl -i http://127.0.0.1:8080/test/me@example.net
    curl -i http://127.0.0.1:8080/test/word
    curl -i http://127.0.0.1:8080/test/7
    curl -i http://127.0.0.1:8080/test/3.14
    curl -i http://127.0.0.1:8080/test/12345678-1234-5678-1234-567812345678
    curl -i http://127.0.0.1:8080/test/any/-thing/7
    curl -i http://127.0.0.1:8080/test/any/path/at/all
    curl -i http://127.0.0.1:8080/archive/2024/02
    curl -i http://127.0.0.1:8080/color/green
    curl -i http://127.0.0.1:8080/admin/users/3
    curl -i http://127.0.0.1:8080/links
    curl -i http://127.0.0.1:8080/nothing/here
    curl -i -X OPTIONS http://127.0.0.1:8080/color/green
    curl -i -X DELETE http://127.0.0.1:8080/color/green
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poorwsgi import Application, state
from poorwsgi.response import NoContentResponse

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("routing")

# A filter is a regular expression and what makes a value of its text.
application.set_filter("email", r"[\w.+-]+@[\w-]+(\.[\w-]+)+", str.lower)


# Rules are tried in the order they were set, and of decorators the lowest sets
# its rule first: 7 is an int, not a word. A rule without groups wins over all.
@application.route("/test/<variable:word>")
@application.route("/test/<variable:uuid>")
@application.route("/test/<variable:float>")
@application.route("/test/<variable:int>")
@application.route("/test/<variable:email>")
def one(req: Request, variable: Any) -> dict[str, str | None]:
    """Serve five rules; values are passed by position, names are free."""
    kind = type(variable).__name__
    return {"rule": req.uri_rule, "value": str(variable), "type": kind}


@application.route("/test/<first:word>/<rest:path>")
@application.route("/test/<first:word>/<second:re:[+-].*>/<third:int>")
def several(req: Request, *args: Any) -> dict[str, Any]:
    """Take any number of values, by position or by name."""
    return {"rule": req.uri_rule, "args": args, "path_args": req.path_args}


@application.regular_route(r"/archive/(?P<year>\d{4})/(?P<month>\d{2})$")
def archive(req: Request, year: str, month: str) -> dict[str, str]:
    """Serve a regular expression; its groups are texts."""
    return {"year": year, "month": month}


@application.get("/color/<name:any(red,green,blue)>")
def color(req: Request, name: str) -> dict[str, str]:
    """Serve one of a few words."""
    return {"color": name}


admin = application.group("/admin")


@admin.before_response()
def note_admin(req: Request) -> None:
    """Run only before the handlers of the group."""
    req.user = "admin"


@admin.get("/users/<id:int>", name="user")
def admin_user(req: Request, user_id: int) -> dict[str, Any]:
    """Serve /admin/users/<id>."""
    return {"id": user_id, "seen by": req.user}


@application.get("/links")
def links(req: Request) -> list[str]:
    """Build paths of routes, by name or by handler."""
    user = application.url_for("user", id=7, tab="mail")
    return [user, application.url_for(color, name="red")]


@application.default()
def default(req: Request) -> tuple[str, str, tuple[()], int]:
    """Answer GET and HEAD where no rule does."""
    return f"No rule for {req.path}.\n", "text/plain; charset=utf-8", (), 404


@application.default(state.METHOD_OPTIONS)
def options(req: Request) -> NoContentResponse:
    """Answer OPTIONS everywhere, instead of the framework."""
    return NoContentResponse({"Allow": "GET, HEAD, OPTIONS", "X-By": "default"})


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
