"""Notes, in Bottle; see doc/newcomers.rst.

python examples/moving/bottle_app.py

curl -i http://127.0.0.1:8080/note/1
curl -i --json '{"text": "Hi"}' http://127.0.0.1:8080/note
curl -i http://127.0.0.1:8080/note/9
"""

import json

from bottle import Bottle, abort, redirect, request, response

NOTES = {1: "first"}
application = Bottle()


@application.hook("before_request")
def who():
    request.user = request.get_header("X-User", "nobody")


@application.get("/note/<number:int>", name="note")
def show(number):
    if number not in NOTES:
        abort(404)
    return {"text": NOTES[number], "for": request.user}


@application.post("/note")
def add():
    number = len(NOTES) + 1
    NOTES[number] = request.json["text"]
    response.status = 201
    response.set_header("Location", application.get_url("note", number=number))
    return {"id": number}


@application.get("/")
def index():
    redirect("/note/1")


@application.error(404)
def missing(error):
    response.content_type = "application/json"
    return json.dumps({"missing": request.path})


if __name__ == "__main__":
    application.run(port=8080)
