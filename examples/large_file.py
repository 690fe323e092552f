"""Files larger than memory and disk: parts of a form read while they arrive.

Nothing is stored; the upload is passed through a hash, block by block. The
download is made block by block as well. Run it by
``python examples/large_file.py``, or give ``examples/large_file.py:application``
to any WSGI server::

    curl -i -F note=hello -F file=@README.rst http://127.0.0.1:8080/
    curl -i -d 'no file' http://127.0.0.1:8080/
    curl -i -I http://127.0.0.1:8080/zeros/1000000
    curl -i http://127.0.0.1:8080/zeros/10

To see it work: ``curl -F file=@- http://127.0.0.1:8080/ < /dev/zero``, and the
memory of the server meanwhile.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from poorwsgi import Application, state
from poorwsgi.response import GeneratorResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poorwsgi.request import Request

BLOCK = 1 << 16
MAX_NOTE = 1000

application = Application("large_file")
# A slow line may take as long as it wants, as long as it sends something.
application.min_body_rate = None


@application.route("/", method=state.METHOD_POST)
def upload(req: Request) -> dict[str, Any]:
    """Return the size and the hash of each file."""
    result: dict[str, Any] = {}
    for part in req.parts():
        if not part.filename:
            # Somebody could call a gigabyte a note: no more than this is read.
            result[part.name] = part.read(MAX_NOTE).decode("utf-8", "replace")
            continue
        digest, size = sha256(), 0
        for block in part:
            digest.update(block)
            size += len(block)
        result[part.filename] = {"size": size, "sha256": digest.hexdigest()}
    return result


@application.route("/zeros/<size:int>")
def download(_: Request, size: int) -> GeneratorResponse:
    """Send so many zeros, with a Content-Length."""
    return GeneratorResponse(
        zeros(size), "application/octet-stream", content_length=size
    )


def zeros(size: int) -> Iterator[bytes]:
    """Yield *size* zeros in blocks."""
    block = bytes(BLOCK)
    for _ in range(size // BLOCK):
        yield block
    yield block[: size % BLOCK]


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
