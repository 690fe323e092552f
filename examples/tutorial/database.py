"""Tutorial, step 3: the entries stay in a database.

Run it by ``app_database=guestbook.db poorwsgi run database.py``::

    curl -i http://127.0.0.1:8080/
    curl -i -d text=Hi http://127.0.0.1:8080/
    curl -i http://127.0.0.1:8080/entries
"""

import sqlite3
from html import escape

from poorwsgi import Application, abort
from poorwsgi.response import RedirectResponse

application = Application("guestbook")

DATABASE = application.get_options().get("database", "guestbook.db")
TABLE = "CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"

PAGE = """<!doctype html><title>Guestbook</title><h1>Guestbook</h1>
<ul>{entries}</ul>
<form method="post"><input name="text" required> <button>Write</button></form>"""


@application.before_response()
def connect(req):
    """Open the database for this request."""
    req.db = sqlite3.connect(DATABASE)
    req.db.execute(TABLE)


@application.after_response()
def disconnect(req, response):
    """Close it, also after an error."""
    if req.db is not None:
        req.db.close()
    return response


def entries_of(req):
    """Return all texts, oldest first."""
    return [text for (text,) in req.db.execute("SELECT text FROM entry ORDER BY id")]


@application.get("/")
def index(req):
    """Show the entries and the form."""
    entries = "".join(f"<li>{escape(text)}</li>" for text in entries_of(req))
    return PAGE.format(entries=entries)


@application.get("/entries")
def entries(req):
    """Return the entries as JSON."""
    return entries_of(req)


@application.post("/")
def write(req):
    """Keep an entry; 303 sends the browser back by GET."""
    text = req.form.getfirst("text", "").strip()
    if not text:
        abort(400, error="Write something.")
    with req.db:
        req.db.execute("INSERT INTO entry (text) VALUES (?)", (text,))
    return RedirectResponse("/", 303)
