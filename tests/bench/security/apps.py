"""The same small application in five frameworks, by their own documentation.

A worker process imports one of them; the last two have the same import name.
Each answers: / , /item/<int>, /echo (cookies), /form, /json, /go?to=, /agent,
/<a>-<b>-<c>.html, and the files of a folder: /files/<name>, or all of it where
the framework has a document root.
"""


def poorwsgi(root):
    from poorwsgi import Application, redirect, state

    app = Application("security")
    app.document_root = root
    both = state.METHOD_GET | state.METHOD_POST | state.METHOD_HEAD

    @app.route("/")
    def hello(req):
        return "Hello"

    @app.route("/item/<number:int>")
    def item(req, number):
        return str(number)

    @app.route("/<a>-<b>-<c>.html")
    def page(req, a, b, c):
        return f"{a} {b} {c}"

    @app.route("/cookie")
    def cookie(req):
        return str(req.cookies["good"].value)

    @app.route("/form", method=both)
    def form(req):
        return str(len(list(req.form)))

    @app.route("/json", method=both)
    def json(req):
        return str(req.json.getvalue("a"))

    @app.route("/go")
    def go(req):
        redirect(req.args.getfirst("to"))

    @app.route("/login")
    def login(req):
        return str(sorted(req.authorization))

    return app, ""


def flask(root):
    from flask import Flask, redirect, request, send_from_directory

    app = Flask("security")
    app.add_url_rule("/", "hello", lambda: "Hello")
    app.add_url_rule("/item/<int:number>", "item", lambda number: str(number))
    app.add_url_rule("/<a>-<b>-<c>.html", "page", lambda a, b, c: f"{a} {b} {c}")
    app.add_url_rule("/cookie", "cookie", lambda: request.cookies["good"])
    app.add_url_rule(
        "/form",
        "form",
        lambda: str(len(request.form) + len(request.files)),
        methods=["GET", "POST"],
    )
    app.add_url_rule(
        "/json", "json", lambda: str(request.get_json()["a"]), methods=["GET", "POST"]
    )
    app.add_url_rule("/go", "go", lambda: redirect(request.args["to"]))
    app.add_url_rule("/login", "login", lambda: str(request.authorization))
    app.add_url_rule(
        "/files/<path:name>", "files", lambda name: send_from_directory(root, name)
    )
    return app, "/files"


def bottle(root):
    import bottle

    app = bottle.Bottle()
    app.route("/", callback=lambda: "Hello")
    app.route("/item/<number:int>", callback=lambda number: str(number))
    app.route("/<a>-<b>-<c>.html", callback=lambda a, b, c: f"{a} {b} {c}")
    app.route("/cookie", callback=lambda: bottle.request.get_cookie("good"))
    app.route(
        "/form",
        ["GET", "POST"],
        lambda: str(len(bottle.request.forms) + len(bottle.request.files)),
    )
    app.route("/json", ["GET", "POST"], lambda: str(bottle.request.json["a"]))
    app.route("/go", callback=lambda: bottle.redirect(bottle.request.query["to"]))
    app.route("/login", callback=lambda: str(bottle.request.auth))
    app.route(
        "/files/<name:path>", callback=lambda name: bottle.static_file(name, root)
    )
    return app, "/files"


def falcon(root):
    import falcon

    class Resource:
        def __init__(self, answer):
            self.answer = answer

        def on_get(self, req, resp, **values):
            resp.text = str(self.answer(req, **values))

        on_post = on_get

    def go(req):
        raise falcon.HTTPFound(req.get_param("to"))

    app = falcon.App()
    for rule, answer in {
        "/": lambda req: "Hello",
        "/item/{number:int}": lambda req, number: number,
        "/{a}-{b}-{c}.html": lambda req, a, b, c: f"{a} {b} {c}",
        "/cookie": lambda req: req.get_cookie_values("good")[0],
        "/form": lambda req: len(list(req.get_media())),
        "/json": lambda req: req.get_media()["a"],
        "/go": go,
        "/login": lambda req: req.auth,
    }.items():
        app.add_route(rule, Resource(answer))
    app.add_static_route("/files", root)
    return app, "/files"


APPLICATIONS = {
    "poorwsgi": poorwsgi,
    "PoorWSGI 2.8.1": poorwsgi,
    "Flask": flask,
    "Bottle": bottle,
    "Falcon": falcon,
}
