"""Tutorial, step 1: an application with two pages.

Run it by ``poorwsgi run hello.py``::

    curl -i http://127.0.0.1:8080/
    curl -i http://127.0.0.1:8080/hello/Ada
    curl -i http://127.0.0.1:8080/nothing
"""

from html import escape

from poorwsgi import Application

application = Application("guestbook")


@application.get("/")
def index(req):
    """Return the start page."""
    return "<!doctype html><title>Guestbook</title><h1>Guestbook</h1>"


@application.get("/hello/<name>")
def hello(req, name):
    """Greet whoever is named in the path."""
    return f"<!doctype html><title>Hello</title><p>Hello, {escape(name)}!"
