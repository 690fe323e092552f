"""Flask."""

from flask import Flask

IMPORTS = "flask"

application = Flask("bench")


@application.route("/")
def hello():
    return "Hello, World!"


@application.route("/user/<name>/<int:number>")
def user(name, number):
    return f"{name} {number}"


APPLICATIONS = dict.fromkeys(("static", "params", "404"), application)
