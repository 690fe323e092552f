"""Notes, in poorwsgi; see doc/newcomers.rst.

python examples/moving/poorwsgi_app.py

curl -i http://127.0.0.1:8080/note/1
curl -i --json '{"text": "Hi"}' http://127.0.0.1:8080/note
curl -i http://127.0.0.1:8080/note/9
"""

from poorwsgi import Application, abort, redirect
from poorwsgi.routing import RouteGroup

NOTES = {1: "first"}
notes = RouteGroup("/note")


@notes.before_response()
def who(req):
    req.user = req.headers.get("X-User", "nobody")


@notes.get("/<number:int>")
def show(req, number):
    if number not in NOTES:
        abort(404)
    return {"text": NOTES[number], "for": req.user}


@notes.post("")
def add(req):
    number = len(NOTES) + 1
    NOTES[number] = req.json["text"]
    place = req.app.url_for(show, number=number)
    return {"id": number}, 201, {"Location": place}


application = Application(__name__)
application.add_group(notes)


@application.get("/")
def index(req):
    redirect("/note/1")


@application.http_state(404)
def missing(req):
    return {"missing": req.path}, 404


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
