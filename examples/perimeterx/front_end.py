"""A page whose script meets a block, and draws the challenge itself.

A request of a script that takes JSON is answered with the values of the
challenge instead of a page. The script here loads it into a dialog, and sends
the request again when the visitor was let in.

    python tests/fake_perimeterx.py examples/perimeterx/front_end.py

    curl -i 'http://127.0.0.1:8080/'
    curl -i --json '{"item": "tea"}' 'http://127.0.0.1:8080/order'
    curl -i --json '{"item": "tea"}' 'http://127.0.0.1:8080/order?score=100'
"""

from __future__ import annotations

import os
import sys

# Started as a script, this file's folder must not hide the package.
sys.path[:] = [path for path in sys.path if path != os.path.dirname(__file__)]

from poorwsgi import Application  # noqa: E402
from poorwsgi.perimeterx import PerimeterX  # noqa: E402

#: Where a service that plays PerimeterX listens; without it, the real one.
SERVICE = os.environ.get("PX_SERVICE_URL")

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Order</title>
<h1>Order</h1>
<button id="order">Order tea</button> <output id="said"></output>
<dialog id="challenge"><p>Please show that you are human.</p>
<div id="px-captcha"></div></dialog>
<script>
async function send(path, value) {
  const answer = await fetch(path, {
    method: "POST",
    headers: {"Content-Type": "application/json", "Accept": "application/json"},
    body: JSON.stringify(value),
  });
  if (answer.status !== 403) { return answer; }
  const block = await answer.json();
  if (!block.blockScript) { return answer; }  // a 403 of the application
  await challenge(block);
  return send(path, value);
}

function challenge(block) {
  const names = {appId: "_pxAppId", vid: "_pxVid", uuid: "_pxUuid",
    hostUrl: "_pxHostUrl", jsClientSrc: "_pxJsClientSrc"};
  for (const [key, name] of Object.entries(names)) { window[name] = block[key]; }
  window._pxFirstPartyEnabled = block.firstPartyEnabled === "true";
  document.getElementById("challenge").showModal();
  return new Promise((solved, failed) => {
    // The service's script calls this when the visitor is done.
    window._pxOnCaptchaSuccess = (ok) => {
      document.getElementById("challenge").close();
      return ok ? solved() : failed(new Error(block.uuid));
    };
    load(block.blockScript, () => load(block.altBlockScript, failed));
  });
}

function load(source, failed) {
  const script = document.createElement("script");
  script.src = source;
  script.onerror = failed;
  document.head.append(script);
}

document.getElementById("order").onclick = async () => {
  const answer = await send("/order" + location.search, {item: "tea"});
  document.getElementById("said").textContent = JSON.stringify(await answer.json());
};
</script>
"""

PX_CONFIG = {
    "app_id": os.environ.get("PX_APP_ID", "PXabcd1234"),
    "cookie_key": os.environ.get("PX_COOKIE_KEY", "test-cookie-key"),
    "auth_token": os.environ.get("PX_AUTH_TOKEN", "test-auth-token"),
    "module_mode": "active_blocking",
    "enforced_specific_routes": ["/order"],
    "api_timeout": int(os.environ.get("PX_API_TIMEOUT", "1000")),
    **dict.fromkeys(("px_backend_url", "client_url", "captcha_url"), SERVICE),
}

app = Application("perimeterx-front-end")


@app.route("/")
def index(req):
    """Show the page; it is not enforced, so that it can ask."""
    return PAGE


@app.post("/order")
def order(req):
    """Take an order."""
    return {"taken": req.json["item"]}


application = PerimeterX(app, PX_CONFIG)


def main() -> None:
    """Serve for development."""
    from wsgiref.simple_server import make_server

    port = int(os.environ.get("PORT", "8080"))
    with make_server("127.0.0.1", port, application) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
