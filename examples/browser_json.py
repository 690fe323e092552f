"""JSON between a script in the browser and a handler.

Run it by ``python examples/browser_json.py``, or give
``examples/browser_json.py:application`` to any WSGI server::

    curl -i http://127.0.0.1:8080/
    curl -i --json '{"name": "Ada"}' http://127.0.0.1:8080/greeting
    curl -i --json '{}' http://127.0.0.1:8080/greeting
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poorwsgi import Application, abort

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("browser_json")

PAGE = """<!DOCTYPE html><title>JSON</title>
<input id="name" placeholder="name"> <button id="send">Send</button> <p id="out">
<script>
send.onclick = async () => {
  const answer = await fetch("greeting", {
    method: "POST",
    headers: {"Content-Type": "application/json", "Accept": "application/json"},
    body: JSON.stringify({name: document.getElementById("name").value}),
  });
  const data = await answer.json();
  out.textContent = answer.ok ? data.greeting : data.detail;
};
</script>"""


@application.get("/")
def index(req: Request) -> str:
    """Return the page."""
    return PAGE


@application.post("/greeting")
def greeting(req: Request) -> dict[str, str]:
    """Greet by JSON; `textContent` needs no escaping."""
    name = req.json.get("name") if isinstance(req.json, dict) else None
    if not name or not isinstance(name, str):
        abort(400, error="Say a name.")
    return {"greeting": f"Hello, {name}!"}


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
