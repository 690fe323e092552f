"""wheezy.http with the router of the same family."""

from wheezy.http import (
    HTTPResponse,
    WSGIApplication,
    bootstrap_http_defaults,
    not_found,
)
from wheezy.routing import PathRouter, url

IMPORTS = "wheezy.http, wheezy.routing"


def hello(request):
    response = HTTPResponse()
    response.write("Hello, World!")
    return response


def user(request):
    args = request.environ["route_args"]
    response = HTTPResponse()
    response.write(f"{args['name']} {int(args['number'])}")
    return response


router = PathRouter()
router.add_routes([url("", hello), url("user/{name:word}/{number:number}", user)])


def routing(options):
    match = router.match

    def middleware(request, following):
        environ = request.environ
        handler, args = match(environ["PATH_INFO"].lstrip("/"))
        if handler is None:
            return not_found()
        environ["route_args"] = args
        return handler(request)

    return middleware


application = WSGIApplication(middleware=[bootstrap_http_defaults, routing], options={})

APPLICATIONS = dict.fromkeys(("static", "params", "404"), application)
