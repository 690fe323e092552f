"""Query and body parsed by a hook of the application, strictly.

The automatic parsing is off; the hook decides what is parsed, and that a
malformed query or body is 400. Run it by ``python examples/own_parsing.py``, or
give ``examples/own_parsing.py:application`` to any WSGI server::

    curl -i 'http://127.0.0.1:8080/?name=Ada&empty='
    curl -i 'http://127.0.0.1:8080/?malformed'
    curl -i -d 'name=Ada&empty=' http://127.0.0.1:8080/
    curl -i -d 'malformed' http://127.0.0.1:8080/
    curl -i -F 'name=Ada' http://127.0.0.1:8080/
    curl -i --json '{}' http://127.0.0.1:8080/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poorwsgi import Application, abort, state
from poorwsgi.fieldstorage import FieldStorageParser
from poorwsgi.request import Args

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("own_parsing")
application.auto_args = False
application.auto_form = False
application.auto_json = False


@application.before_response()
def parse(req: Request) -> None:
    """Parse the query, and the body where it is a form."""
    try:
        req.args = Args(req, keep_blank_values=1, strict_parsing=bool(req.query))
        if req.is_body_request:
            req.form = parsed_form(req)
    except ValueError as error:
        abort(state.HTTP_BAD_REQUEST, error=error)


def parsed_form(req: Request) -> Any:
    """Return the form of a request that has one; 415 for any other body."""
    if req.mime_type not in application.form_mime_types:
        abort(state.HTTP_UNSUPPORTED_MEDIA_TYPE, error="Only forms are taken")
    parser = FieldStorageParser(
        req.input, req.headers, keep_blank_values=1, strict_parsing=1
    )
    return parser.parse()


@application.route("/", state.METHOD_GET_POST)
def index(req: Request) -> dict[str, dict[str, Any]]:
    """Return what was parsed."""
    return {
        "args": {name: req.args.getvalue(name) for name in req.args},
        "form": {name: req.form.getvalue(name) for name in req.form},
    }


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
