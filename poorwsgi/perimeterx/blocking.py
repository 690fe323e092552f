"""Answers to blocked requests: the page, JSON for scripts, JSON for mobiles.

One page with ten values, each escaped for its place. What a page shows is
taken from the context before any handler could change it.
"""

from __future__ import annotations

import base64
import json
from html import escape
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import quote

from poorwsgi.perimeterx.answer import NO_STORE, Answer, whole

if TYPE_CHECKING:
    from poorwsgi.perimeterx.config import Config
    from poorwsgi.perimeterx.context import Context

HTML = ("Content-Type", "text/html; charset=utf-8")
JSON = ("Content-Type", "application/json")

MOBILE_ACTIONS = {"c": "captcha", "b": "block", "j": "challenge", "r": "ratelimit"}

STYLE = """\
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center;
  padding: 1.5rem; background: #f3f4f6; color: #1f2937;
  font: 1.0625rem/1.6 system-ui, sans-serif; }
main { width: 100%; max-width: 34rem; padding: 2rem; background: #fff;
  border-radius: .75rem; box-shadow: 0 1px 4px rgba(0, 0, 0, .15); }
h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.3; }
p { margin: 0 0 1rem; }
#px-captcha:not(:empty) { margin: 0 0 1rem; }
.note { padding: .75rem 1rem; border-left: .25rem solid #b45309;
  background: #fef3c7; color: #1f2937; }
.reference { margin: 0; font-size: .9375rem; }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
[hidden], #px-captcha:not(:empty) ~ #px-failed { display: none; }
@media (prefers-color-scheme: dark) {
  body { background: #111827; color: #e5e7eb; }
  main { background: #1f2937; }
  .note { background: #422006; color: #fef3c7; border-color: #f59e0b; }
}
"""

SCRIPT = """\
window._pxAppId = $appId;
window._pxVid = $vid;
window._pxUuid = $uuid;
window._pxHostUrl = $hostUrl;
window._pxCustomLogo = $customLogo;
window._pxJsClientSrc = $jsClientSrc;
window._pxFirstPartyEnabled = $firstPartyEnabled;
(function () {
  function load(source, failed) {
    var script = document.createElement("script");
    script.src = source;
    script.async = true;
    script.onerror = failed;
    // A first-party address whose upstream fails is an empty script, no error.
    script.onload = function () {
      setTimeout(function () { if (nothingDrawn()) { failed(); } }, 5000);
    };
    document.head.appendChild(script);
  }
  function nothingDrawn() {
    var box = document.getElementById("px-captcha");
    return box && !box.firstChild;
  }
  function giveUp() {
    var note = document.getElementById("px-failed");
    if (note) { note.hidden = false; }
  }
  document.addEventListener("DOMContentLoaded", function () {
    load($blockScript, function () { load($altBlockScript, giveUp); });
  });
}());
"""

PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Please confirm that you are human</title>
<style>
$style</style>
$css_link<script>
$script</script>
$js_tag</head>
<body>
<main>
<h1>Please confirm that you are human</h1>
<p>Something about this visit looked automated. A short check shows that it
is not, and then you can go on.</p>
<div id="px-captcha"></div>
<noscript><p class="note">The check needs JavaScript. Please switch it on and
reload the page, or send the reference below to the site's support.</p></noscript>
<p class="note" id="px-failed" role="alert" hidden>The check could not be
loaded. Please see whether something in your browser or network blocks it and
reload the page, or send the reference below to the site's support.</p>
<p class="reference">Reference: <code>$reference</code></p>
</main>
</body>
</html>
""")

RATE_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Too many requests</title>
<style>
$style</style>
</head>
<body>
<main>
<h1>Too many requests</h1>
<p>Please wait a moment before you try again.</p>
<p class="reference">Reference: <code>$reference</code></p>
</main>
</body>
</html>
""")


def block_answer(ctx: Context, config: Config, as_json: bool) -> Answer:
    """Return the answer for a blocked request."""
    status = 429 if ctx.block_action == "r" else 403
    if ctx.is_mobile:
        return json_answer(status, mobile_values(ctx, config))
    if as_json and not stays_html(ctx):
        return json_answer(status, block_values(ctx, config))
    return whole(status, encoded(block_page(ctx, config)), HTML, NO_STORE)


def stays_html(ctx: Context) -> bool:
    """Tell whether scripts, too, get this answer as HTML."""
    return ctx.block_action == "r" or is_challenge(ctx)


def is_challenge(ctx: Context) -> bool:
    """Tell whether the service brought its own page."""
    return ctx.block_action == "j" and bool(ctx.action_body)


def block_page(ctx: Context, config: Config) -> str:
    """Return the HTML for what the service wants done."""
    if is_challenge(ctx):
        return str(ctx.action_body)
    if ctx.block_action == "r":
        return RATE_PAGE.substitute(style=STYLE, reference=escape(ctx.uuid))
    return captcha_page(block_values(ctx, config))


def block_values(ctx: Context, config: Config) -> dict[str, str]:
    """Return the values that pages and scripts draw the challenge with."""
    app_id = config.app_id
    parameters = captcha_parameters(ctx)
    first_party = config.first_party_enabled and not ctx.is_mobile
    if first_party:
        own = f"/{config.short_id}"
        places = (f"{own}/init.js", f"{own}/captcha/{parameters}", f"{own}/xhr")
    else:
        places = (
            f"//client.perimeterx.net/{app_id}/main.min.js",
            f"//captcha.px-cdn.net/{app_id}/{parameters}",
            config.collector_host,
        )
    return {
        "appId": app_id,
        "jsClientSrc": places[0],
        "firstPartyEnabled": "true" if first_party else "false",
        "vid": ctx.vid,
        "uuid": ctx.uuid,
        "hostUrl": places[2],
        "blockScript": places[1],
        "altBlockScript": f"//captcha.px-cloud.net/{app_id}/{parameters}",
        "customLogo": config.custom_logo,
        "cssRef": config.css_ref,
        "jsRef": config.js_ref,
    }


def captcha_parameters(ctx: Context) -> str:
    values = (ctx.block_action, ctx.uuid, ctx.vid, "1" if ctx.is_mobile else "0")
    action, uuid, vid, mobile = (
        quote(value, safe="", errors="replace") for value in values
    )
    return f"captcha.js?a={action}&u={uuid}&v={vid}&m={mobile}"


def mobile_values(ctx: Context, config: Config) -> dict[str, str]:
    page = encoded(block_page(ctx, config))
    return {
        "action": MOBILE_ACTIONS[ctx.block_action],
        "uuid": ctx.uuid,
        "vid": ctx.vid,
        "appId": config.app_id,
        "page": base64.b64encode(page).decode("ascii"),
        "collectorURL": f"https://{config.collector_host}",
    }


def captcha_page(values: dict[str, str]) -> str:
    """Fill the page; every value is escaped for the place it stands in."""
    literals = {name: js_string(value) for name, value in values.items()}
    literals["firstPartyEnabled"] = values["firstPartyEnabled"]
    css_ref, js_ref = escape(values["cssRef"]), escape(values["jsRef"])
    return PAGE.substitute(
        style=STYLE,
        script=Template(SCRIPT).substitute(literals),
        css_link=f'<link rel="stylesheet" href="{css_ref}">\n' if css_ref else "",
        js_tag=f'<script src="{js_ref}" async></script>\n' if js_ref else "",
        reference=escape(values["uuid"]) or "none",
    )


def js_string(text: str) -> str:
    r"""Return a string literal that is safe inside a script element.

    JSON escapes quotes, control characters and, beyond ASCII, U+2028 and
    U+2029; what HTML could see as markup is escaped on top.

    >>> js_string("</script>")
    '"\\u003c/script\\u003e"'
    """
    literal = json.dumps(text)
    for character in "<>&":
        literal = literal.replace(character, f"\\u{ord(character):04x}")
    return literal


def encoded(page: str) -> bytes:
    """Encode a page; half a surrogate pair becomes a question mark."""
    return page.encode("utf-8", "replace")


def json_answer(status: int, values: dict[str, str]) -> Answer:
    return whole(status, json.dumps(values).encode("ascii"), JSON, NO_STORE)
