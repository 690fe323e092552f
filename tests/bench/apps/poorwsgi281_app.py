"""PoorWSGI 2.8.1, in the words of its own documentation."""

from poorwsgi import Application

IMPORTS = "poorwsgi.wsgi"

application = Application("bench")


@application.route("/")
def hello(req):
    return "Hello, World!"


@application.route("/user/<name>/<number:int>")
def user(req, name, number):
    return f"{name} {number}"


APPLICATIONS = dict.fromkeys(("static", "params", "404"), application)
