"""wheezy.http with the router of the same family."""

from functools import partial

from itsdangerous import URLSafeTimedSerializer
from scenarios import GREETING
from wheezy.http import (
    HTTPCookie,
    HTTPResponse,
    WSGIApplication,
    bootstrap_http_defaults,
    json_response,
    not_found,
)
from wheezy.routing import PathRouter, url

IMPORTS = "wheezy.http, wheezy.routing"
signer = URLSafeTimedSerializer("a secret key of some length")


def text(value):
    response = HTTPResponse()
    response.write(value)
    return response


def hello(request):
    return text("Hello, World!")


def user(request):
    args = request.environ["route_args"]
    return text(f"{args['name']} {int(args['number'])}")


def json_value(request):
    if request.method == "POST":
        return json_response(request.form)
    return json_response(GREETING)


def query(request):
    args = request.query
    names = ("q", "page", "sort", "order", "limit")
    return text(" ".join([args[name][-1] for name in names]))


def form(request):
    fields = request.form
    return text(f"{fields['name'][-1]} {fields['email'][-1]} {fields['phone'][-1]}")


def upload(request):
    line = " ".join(request.form[name][-1] for name in ("title", "year", "lang"))
    return text(f"{line} {len(request.files['file'][-1].file.read())}")


def cookies(request):
    jar = request.cookies
    response = text(jar["lang"])
    value = str(int(jar["visit"]) + 1)
    response.cookies.append(
        HTTPCookie("visit", value, path="/", httponly=True, options=OPTIONS)
    )
    return response


def session(request):
    cookie = request.cookies.get("SESSID")
    data = signer.loads(cookie) if cookie else {"user": "joe", "visits": 0}
    data["visits"] += 1
    response = text(f"{data['visits']} {data['user']}")
    value = signer.dumps(data)
    response.cookies.append(
        HTTPCookie("SESSID", value, path="/", httponly=True, options=OPTIONS)
    )
    return response


OPTIONS = {}


def routing(router):
    match = router.match

    def create(options):
        def middleware(request, following):
            environ = request.environ
            handler, args = match(environ["PATH_INFO"].lstrip("/"))
            if handler is None:
                return not_found()
            environ["route_args"] = args
            return handler(request)

        return middleware

    return create


def application_of(urls, *middleware):
    """Return an application that passes requests through middleware."""
    router = PathRouter()
    router.add_routes(urls)
    layers = [bootstrap_http_defaults, *middleware, routing(router)]
    return WSGIApplication(middleware=layers, options=OPTIONS)


application = application_of(
    [
        url("", hello),
        url("user/{name:word}/{number:number}", user),
        url("json", json_value),
        url("query", query),
        url("form", form),
        url("upload", upload),
        url("cookies", cookies),
        url("session", session),
        url("session-plain", session),
    ]
)


def first(options):
    def middleware(request, following):
        request.environ["user"] = "joe"
        response = following(request)
        response.headers.append(("X-Frame-Options", "DENY"))
        return response

    return middleware


def second(options):
    def middleware(request, following):
        request.environ["language"] = "en"
        return following(request)

    return middleware


def hello_user(request):
    return text(f"Hello, {request.environ['user']}!")


def routes(count):
    return application_of(
        [
            url(f"r{number}/{{name:word}}/{{number:number}}", user)
            for number in range(count)
        ]
    )


# It has neither files nor streams.
PLAIN = [
    "static",
    "params",
    "json",
    "json-echo",
    "query",
    "form",
    "multipart",
    "404",
    "cookies",
    "session",
    "session-plain",
]
APPLICATIONS = {
    **dict.fromkeys(PLAIN, application),
    "hooks": application_of([url("", hello_user)], first, second),
}
FACTORIES = {f"routes-{n}": partial(routes, n) for n in (10, 1000, 10_000)}
