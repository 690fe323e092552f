"""Tutorial, step 2: a form whose entries stay in memory.

Run it by ``poorwsgi run form.py``::

    curl -i http://127.0.0.1:8080/
    curl -i -d text=Hi http://127.0.0.1:8080/
    curl -i -d text= http://127.0.0.1:8080/
"""

from html import escape

from poorwsgi import Application, abort
from poorwsgi.response import RedirectResponse

application = Application("guestbook")

PAGE = """<!doctype html><title>Guestbook</title><h1>Guestbook</h1>
<ul>{entries}</ul>
<form method="post"><input name="text" required> <button>Write</button></form>"""

ENTRIES = []


@application.get("/")
def index(req):
    """Show the entries and the form."""
    entries = "".join(f"<li>{escape(text)}</li>" for text in ENTRIES)
    return PAGE.format(entries=entries)


@application.post("/")
def write(req):
    """Keep an entry; 303 sends the browser back by GET."""
    text = req.form.getfirst("text", "").strip()
    if not text:
        abort(400, error="Write something.")
    ENTRIES.append(text)
    return RedirectResponse("/", 303)
