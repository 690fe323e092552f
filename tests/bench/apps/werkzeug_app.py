"""Werkzeug: map, request and response, put together as its tutorial does."""

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

IMPORTS = "werkzeug.routing, werkzeug.wrappers, werkzeug.exceptions"


def hello(request):
    return Response("Hello, World!", mimetype="text/html")


def user(request, name, number):
    return Response(f"{name} {number}", mimetype="text/html")


url_map = Map(
    [
        Rule("/", endpoint=hello),
        Rule("/user/<name>/<int:number>", endpoint=user),
    ]
)


@Request.application
def application(request):
    try:
        endpoint, args = url_map.bind_to_environ(request.environ).match()
        return endpoint(request, **args)
    except HTTPException as error:
        return error


APPLICATIONS = dict.fromkeys(("static", "params", "404"), application)
