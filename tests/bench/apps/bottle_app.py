"""Bottle."""

from bottle import Bottle

IMPORTS = "bottle"

application = Bottle()


@application.route("/")
def hello():
    return "Hello, World!"


@application.route("/user/<name>/<number:int>")
def user(name, number):
    return f"{name} {number}"


APPLICATIONS = dict.fromkeys(("static", "params", "404"), application)
