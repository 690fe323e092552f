"""Notes, in Flask; see doc/newcomers.rst.

python examples/moving/flask_app.py

curl -i http://127.0.0.1:8080/note/1
curl -i --json '{"text": "Hi"}' http://127.0.0.1:8080/note
curl -i http://127.0.0.1:8080/note/9
"""

from flask import Blueprint, Flask, abort, g, redirect, request, url_for

NOTES = {1: "first"}
notes = Blueprint("notes", __name__, url_prefix="/note")


@notes.before_request
def who():
    g.user = request.headers.get("X-User", "nobody")


@notes.get("/<int:number>")
def show(number):
    if number not in NOTES:
        abort(404)
    return {"text": NOTES[number], "for": g.user}


@notes.post("")
def add():
    number = len(NOTES) + 1
    NOTES[number] = request.get_json()["text"]
    place = url_for("notes.show", number=number)
    return {"id": number}, 201, {"Location": place}


application = Flask(__name__)
application.register_blueprint(notes)


@application.get("/")
def index():
    return redirect("/note/1")


@application.errorhandler(404)
def missing(error):
    return {"missing": request.path}, 404


if __name__ == "__main__":
    application.run(port=8080)
