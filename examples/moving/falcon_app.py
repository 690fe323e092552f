"""Notes, in Falcon; see doc/newcomers.rst.

python examples/moving/falcon_app.py

curl -i http://127.0.0.1:8080/note/1
curl -i --json '{"text": "Hi"}' http://127.0.0.1:8080/note
curl -i http://127.0.0.1:8080/note/9
"""

from wsgiref.simple_server import make_server

import falcon

NOTES = {1: "first"}


class Who:
    def process_request(self, req, resp):
        req.context.user = req.get_header("X-User", default="nobody")


class Note:
    def on_get(self, req, resp, number):
        if number not in NOTES:
            raise falcon.HTTPNotFound
        resp.media = {"text": NOTES[number], "for": req.context.user}


class Notes:
    def on_post(self, req, resp):
        number = len(NOTES) + 1
        NOTES[number] = req.media["text"]
        resp.status = falcon.HTTP_201
        resp.location = f"/note/{number}"
        resp.media = {"id": number}


class Index:
    def on_get(self, req, resp):
        raise falcon.HTTPFound("/note/1")


def missing(req, resp, error, params):
    resp.status = falcon.HTTP_404
    resp.media = {"missing": req.path}


application = falcon.App(middleware=[Who()])
application.add_route("/", Index())
application.add_route("/note", Notes())
application.add_route("/note/{number:int}", Note())
application.add_error_handler(falcon.HTTPNotFound, missing)

if __name__ == "__main__":
    make_server("127.0.0.1", 8080, application).serve_forever()
