"""No framework: the same work by hand, the floor."""

import re

IMPORTS = "re"
USER = re.compile(r"/user/([^/]+)/(\d+)")


def hello(environ):
    return "Hello, World!"


def user(environ, name, number):
    return f"{name} {int(number)}"


STATIC = {"/": hello}


def answer(start_response, status, text):
    body = text.encode()
    start_response(
        status,
        [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
        ],
    )
    return [body]


def application(environ, start_response):
    path = environ["PATH_INFO"]
    handler = STATIC.get(path)
    if handler is not None:
        return answer(start_response, "200 OK", handler(environ))
    match = USER.fullmatch(path)
    if match is not None:
        return answer(start_response, "200 OK", user(environ, *match.groups()))
    return answer(start_response, "404 Not Found", "<h1>Not Found</h1>")


APPLICATIONS = dict.fromkeys(("static", "params", "404"), application)
