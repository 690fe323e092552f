"""An API checked against its OpenAPI document by openapi-core, in two hooks.

The document openapi.json stands beside this file. `examples/openapi_plugin.py`
gets the same from one line.

Install the extra and run it::

    pip install 'poorwsgi[openapi]'
    python examples/openapi3.py
    uwsgi --wsgi-file examples/openapi3.py --http-socket 127.0.0.1:8080

    curl -i http://127.0.0.1:8080/plain_text
    curl -i http://127.0.0.1:8080/json/42
    curl -i http://127.0.0.1:8080/json/ok
    curl -i --json '{"title": "Broken", "priority": "high"}' http://127.0.0.1:8080/tickets
    curl -i --json '{"title": ""}' http://127.0.0.1:8080/tickets
    curl -i -H "API-Key: any" http://127.0.0.1:8080/secrets
    curl -i http://127.0.0.1:8080/secrets
    curl -i -X DELETE http://127.0.0.1:8080/plain_text
    curl -i http://127.0.0.1:8080/unknown
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.paths.exceptions import OperationNotFound, PathNotFound
from openapi_core.validation.request.exceptions import SecurityValidationError

from poorwsgi import Application, abort, state
from poorwsgi.openapi_wrapper import OpenAPIRequest, OpenAPIResponse
from poorwsgi.response import BaseResponse, JSONResponse, TextResponse

if TYPE_CHECKING:
    from poorwsgi.request import Request

log = logging.getLogger("openapi3")
application = Application("openapi3")
DOCUMENT = Path(__file__).with_name("openapi.json")
spec = OpenAPI.from_dict(json.loads(DOCUMENT.read_text(encoding="utf-8")))


@application.before_response()
def check_request(req: Request) -> None:
    """Refuse what the document does not allow, before the handler runs."""
    req.api = OpenAPIRequest(req)
    try:
        spec.unmarshal_request(req.api).raise_for_errors()
    except (PathNotFound, OperationNotFound):
        return  # the application knows best: 404, 405, or a route of its own
    except SecurityValidationError:
        answer = JSONResponse({"error": "The header API-Key is missing"})
        answer.status_code = state.HTTP_UNAUTHORIZED
        answer.add_header("WWW-Authenticate", 'ApiKey name="API-Key"')
        abort(answer)
    except OpenAPIError as err:
        text, cause = str(err), str(err.__cause__ or "")
        if cause not in text:
            text = f"{text}: {cause}"
        abort(JSONResponse({"error": text}, status_code=state.HTTP_BAD_REQUEST))


@application.after_response()
def check_response(req: Request, response: BaseResponse) -> BaseResponse:
    """Log an answer that the document does not know."""
    if getattr(req, "api", None) is not None:
        result = spec.unmarshal_response(req.api, OpenAPIResponse(response))
        for error in result.errors:
            if not isinstance(error, (PathNotFound, OperationNotFound)):
                log.error("%s %s: %s", req.method, req.path, error)
    return response


@application.http_state(state.HTTP_NOT_FOUND)
def not_found(req: Request, **_: Any) -> JSONResponse:
    """Answer 404 as JSON, whatever the client wants."""
    return JSONResponse({"error": f"There is no {req.path}"}, status_code=404)


@application.get("/plain_text")
def plain_text(req: Request) -> TextResponse:
    """Return a text."""
    return TextResponse("Hello, World!\n")


@application.get("/json/<arg>")
def echo(req: Request, arg: str) -> dict[str, int]:
    """Return the integer; the document has made sure that it is one."""
    return {"arg": int(arg)}


@application.post("/tickets")
def make_ticket(req: Request) -> tuple[dict[str, Any], int]:
    """Return the ticket as if it was stored."""
    return dict(req.json), state.HTTP_CREATED


@application.get("/secrets")
def secrets(req: Request) -> dict[str, str]:
    """Return the secret; who may know it is checked here in real life."""
    return {"secret": "42"}


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
