"""Our requests and responses as openapi-core wants to see them.

Adapters only: what is read here belongs to `request` and `response`, what is
checked belongs to openapi-core. `poorwsgi.openapi.OpenAPIPlugin` does the same
job in one line, and faster.

    spec = OpenAPI.from_dict(document)
    result = spec.unmarshal_request(OpenAPIRequest(req))
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from poorwsgi.headers import parse_header

try:
    from openapi_core.datatypes import RequestParameters
except ImportError as err:
    raise ImportError("openapi_wrapper needs: pip install 'poorwsgi[openapi]'") from err

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poorwsgi.headers import Headers
    from poorwsgi.request import Request
    from poorwsgi.response import BaseResponse

__all__ = ["OpenAPIRequest", "OpenAPIResponse"]

#: A group of a rule: ``<name>``, ``<name:filter>``, ``<name:re:regex>``.
RE_GROUP = re.compile(r"<(\w+)(?::[^>]*)?>")
#: What openapi-core takes as a path value; anything else is shown as text.
PLAIN_TYPES = (str, int, float, bool, type(None))


class OpenAPIRequest:
    """A request by the protocol `openapi_core.protocols.Request`."""

    def __init__(self, request: Request):
        self.request = request
        self.parameters = RequestParameters(
            path=plain_values(request.path_args),
            query=request.args,
            header=request.headers,
            cookie=cookie_values(request.cookies),
        )

    @property
    def host_url(self) -> str:
        """Scheme and host of the request, without a slash at the end."""
        return self.request.construct_url("")

    @property
    def path(self) -> str:
        """Path of the URL, decoded."""
        return self.request.path

    @property
    def method(self) -> str:
        """Method in lower case."""
        return (self.request.method or "").lower()

    @property
    def full_url_pattern(self) -> str:
        """URL of the rule, ``<name:filter>`` written as ``{name}``."""
        rule = self.request.uri_rule
        if not rule or rule == "/*":
            return self.host_url + self.request.uri
        return self.host_url + RE_GROUP.sub(r"{\1}", rule)

    @property
    def body(self) -> bytes | None:
        """The body, where it is in memory (`data_size`), else None."""
        return self.request.data

    @property
    def mimetype(self) -> str:
        """Media type of the body, without parameters."""
        return self.request.mime_type

    @property
    def content_type(self) -> str:
        """Media type with its parameters; see `content_type`."""
        line = self.request.headers.get("Content-Type")
        # RFC 9110, 8.3: a body that nobody describes may be taken as bytes.
        return content_type(line) if line else "application/octet-stream"


class OpenAPIResponse:
    """A response by the protocol `openapi_core.protocols.Response`."""

    def __init__(self, response: BaseResponse):
        self.response = response

    @property
    def data(self) -> bytes | None:
        """The body where it is in memory; None for files and generators."""
        return self.response.data or None

    @property
    def status_code(self) -> int:
        """HTTP status."""
        return self.response.status_code

    @property
    def headers(self) -> Headers:
        """Headers of the response."""
        return self.response.headers

    @property
    def mimetype(self) -> str:
        """Media type of the body, without parameters."""
        return self._content_type.partition(";")[0].strip()

    @property
    def content_type(self) -> str:
        """Media type with its parameters; see `content_type`."""
        return content_type(self._content_type)

    @property
    def _content_type(self) -> str:
        line: str | None = self.response.headers.get("Content-Type")
        return self.response.content_type if line is None else line


def content_type(line: str) -> str:
    """Return a Content-Type in lower case, in the one form openapi-core reads.

    The boundary of multipart keeps its case, else no part would be found. A
    parameter with a semicolon or an equals sign in it is left out: openapi-core
    cuts at these, quoted or not, and would crash.
    """
    media_type, params = parse_header(line)
    pieces = [media_type.lower()]
    for name, value in params.items():
        if "=" not in value and ";" not in value:
            value = value if name.lower() == "boundary" else value.lower()
            pieces.append(f"{name.lower()}={value}")
    return "; ".join(pieces)


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return path values; what openapi-core does not know becomes text."""
    return {
        name: value if isinstance(value, PLAIN_TYPES) else str(value)
        for name, value in values.items()
    }


def cookie_values(cookies: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the values of cookies, which are Morsels in a SimpleCookie."""
    return {name: morsel.value for name, morsel in (cookies or {}).items()}
