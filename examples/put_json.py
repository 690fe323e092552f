"""A page whose script PUTs JSON, and what the other side says about bad JSON.

Run it by ``python examples/put_json.py``, or give
``examples/put_json.py:application`` to any WSGI server::

    curl -i http://127.0.0.1:8080/
    curl -i -X PUT --json '{"name": "Ada", "tags": ["a", "b"]}' http://127.0.0.1:8080/item/7
    curl -i http://127.0.0.1:8080/item/7
    curl -i -X PUT --json '{"name": NaN}' http://127.0.0.1:8080/item/7
    curl -i -X PUT --json '["no", "object"]' http://127.0.0.1:8080/item/7
    curl -i -X PUT -d 'name=Ada' http://127.0.0.1:8080/item/7
    curl -i http://127.0.0.1:8080/item/8
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poorwsgi import Application, abort, state

if TYPE_CHECKING:
    from poorwsgi.request import Request

PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>PUT JSON</title>
<h1>PUT JSON</h1>
<form><p><label>JSON: <input name="json" size="50"
    value='{"name": "Ada", "tags": ["a", "b"]}'></label> <button>PUT</button></form>
<pre role="status"></pre>
<script>
  document.querySelector("form").onsubmit = async (event) => {
    event.preventDefault();
    const answer = await fetch("item/7", {
      method: "PUT",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: event.target.json.value,
    });
    document.querySelector("[role=status]").textContent =
      answer.status + " " + (await answer.text());
  };
</script>
"""

application = Application("put_json")
application.max_json_size = 10_000
items: dict[int, dict[str, Any]] = {}


@application.route("/")
def page(_: Request) -> str:
    """Return the page with the script."""
    return PAGE


@application.route("/item/<number:int>", method=state.METHOD_PUT)
def put(req: Request, number: int) -> dict[str, Any]:
    """Store an object; what is no JSON was answered by 400 before."""
    # An EmptyForm for a body of another type, so ask for what is wanted.
    if not isinstance(req.json, dict) or not req.json:
        abort(state.HTTP_BAD_REQUEST, error="An object is wanted")
    items[number] = dict(req.json)
    return {"stored": items[number]}


@application.route("/item/<number:int>")
def get(_: Request, number: int) -> dict[str, Any]:
    """Return what was stored."""
    if number not in items:
        abort(state.HTTP_NOT_FOUND)
    return items[number]


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
