"""Tutorial, step 4: who writes has to log in.

Run it by ``app_database=guestbook.db poorwsgi run guestbook.py``; the users are
made by ``python -m poorwsgi.auth users.scrypt ada``::

    curl -i http://127.0.0.1:8080/
    curl -i -d text=Hi http://127.0.0.1:8080/
    curl -i http://127.0.0.1:8080/login
"""

import logging
import sqlite3
from html import escape
from secrets import token_hex

from poorwsgi import Application, abort, redirect
from poorwsgi.auth import PasswordFile
from poorwsgi.csrf import CsrfGuard
from poorwsgi.response import RedirectResponse
from poorwsgi.session import PoorSession, SessionError

logging.basicConfig()  # errors to stderr, which a server puts into its log
application = Application("guestbook")

OPTIONS = application.get_options()
DATABASE = OPTIONS.get("database", "guestbook.db")
USERS = PasswordFile(OPTIONS.get("users", "users.scrypt"))
# Without a key of its own each process would only know its own visitors.
application.secret_key = OPTIONS.get("secret") or token_hex()
CsrfGuard(application)  # refuses forms that other sites send

TABLE = "CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, name, text)"
HEAD = "<!doctype html><title>Guestbook</title><h1>Guestbook</h1>"
WRITE = '<form method="post"><input name="text" required> <button>Write</button></form>'
LOG_IN = """<form method="post"><input name="name" placeholder="name">
<input name="password" type="password"> <button>Log in</button></form>"""


def session_of(req):
    """Return the session of a request; an empty one if it has none."""
    https = "https" in (req.scheme, req.forwarded_proto)  # of the proxy, if any
    settings = {"max_age": 3600, "secure": https, "same_site": "Lax"}
    session = PoorSession(req.secret_key, **settings)
    try:
        session.load(req.cookies)
    except SessionError:
        session.data.clear()
    return session


@application.before_response()
def prepare(req):
    """Open the database and find out who asks."""
    req.db = sqlite3.connect(DATABASE)
    req.db.execute(TABLE)
    req.user = session_of(req).data.get("name")


@application.after_response()
def disconnect(req, response):
    """Close the database, also after an error."""
    if req.db is not None:
        req.db.close()
    return response


@application.get("/")
def index(req):
    """Show the entries, and the form to who is logged in."""
    rows = req.db.execute("SELECT name, text FROM entry ORDER BY id")
    entries = "".join(f"<li>{escape(name)}: {escape(text)}" for name, text in rows)
    below = WRITE if req.user else '<a href="/login">Log in</a>'
    return f"{HEAD}<ul>{entries}</ul>{below}"


@application.post("/")
def write(req):
    """Keep an entry."""
    if not req.user:
        redirect("/login", 303)
    text = req.form.getfirst("text", "").strip()
    if not text:
        abort(400, error="Write something.")
    with req.db:
        sql = "INSERT INTO entry (name, text) VALUES (?, ?)"
        req.db.execute(sql, (req.user, text))
    return RedirectResponse("/", 303)


@application.get("/login")
def login_form(req):
    """Ask for name and password."""
    return HEAD + LOG_IN


@application.post("/login")
def login(req):
    """Start a session for who knows the password."""
    name = req.form.getfirst("name", "")
    if not USERS.verify(name, req.form.getfirst("password", "")):
        abort(403, error="That was not right.")
    session = session_of(req)
    session.data["name"] = name
    response = RedirectResponse("/", 303)
    session.header(response)
    return response
