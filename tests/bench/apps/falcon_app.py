"""Falcon: resources with responders."""

import falcon

IMPORTS = "falcon"


class Hello:
    def on_get(self, req, resp):
        resp.content_type = falcon.MEDIA_HTML
        resp.text = "Hello, World!"


class User:
    def on_get(self, req, resp, name, number):
        resp.content_type = falcon.MEDIA_HTML
        resp.text = f"{name} {number}"


application = falcon.App()
application.add_route("/", Hello())
application.add_route("/user/{name}/{number:int}", User())

APPLICATIONS = dict.fromkeys(("static", "params", "404"), application)
