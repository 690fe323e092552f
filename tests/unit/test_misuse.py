"""What an application does wrong is refused, and the log says what and where.

Each record stands for an evening that somebody would spend: which handler, which
rule, which value, once and not twice.
"""

import io
import os
import traceback
from contextlib import suppress
from datetime import date

import pytest

from poorwsgi import Application, state
from poorwsgi.response import (
    FileObjResponse,
    FileResponse,
    GeneratorResponse,
    Response,
    ResponseError,
    make_response,
)


def records(answer):
    """Return level and text of what was logged, tracebacks included."""
    return [
        "\n".join(
            [
                f"{record.levelname} {record.getMessage()}",
                *traceback.format_exception(*(record.exc_info or [None])),
            ]
        )
        for record in answer.log
    ]


# -- values no response can be made of -------------------------------------------

UNUSABLE = {
    "number": (lambda: 12345, "12345"),
    "object": (object, "object object"),
    "too many": (lambda: ("a", "b", (), 200, 5), "5 values"),
    "no JSON": (lambda: {"key": object()}, "'key'"),
    "half a pair": (lambda: "\ud800", "ud800"),
    "list with an object": (lambda: [object()], "object object"),
    "status that is none": (lambda: ("text", 999), "999"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_value_is_logged_once_with_handler_and_rule(app, client, name):
    make, shown = UNUSABLE[name]

    @app.route("/item/<number:int>")
    def give_item(req, number):
        return make()

    answer = client.get("/item/5")
    assert answer.status_code == 500
    (text,) = records(answer)
    assert text.startswith("ERROR GET '/item/5' failed, error id ")
    assert "give_item" in text
    assert "test_misuse.py" in text
    assert "'/item/<number:int>'" in text
    assert shown in text


def test_an_unusable_value_of_a_hook_names_the_hook(app, client):
    def change(req, response):
        return 5

    app.set_route("/", lambda req: "text")
    app.add_after_response(change)
    answer = client.get("/")
    assert answer.status_code == 500
    texts = [text for text in records(answer) if text.startswith("ERROR")]
    assert len(texts) == 1
    assert "after-hook" in texts[0]
    assert "change" in texts[0]


@pytest.mark.parametrize("of_group", [False, True])
def test_an_after_hook_that_forgets_to_return_is_named(app, client, of_group):
    """PoorWSGI 2.8 sends 204 then, and says nothing."""
    group = app.group("/group")
    group.set_route("/", lambda req: "text")

    def forgetful(req, response):
        response.add_header("X-Own", "1")

    if of_group:
        group.after_response()(forgetful)
    else:
        app.add_after_response(forgetful)
    answer = client.get("/group/")
    assert (answer.status_code, answer.text) == (204, "")
    (text,) = records(answer)
    assert text.startswith("WARNING after-hook 'forgetful' (")
    assert "test_misuse.py:" in text
    assert "; end it with: return response" in text


def test_an_unusable_value_of_a_state_handler_names_it(app, client):
    @app.http_state(404)
    def nothing_here(req):
        return 5

    answer = client.get("/")
    assert answer.status_code == 500
    (text,) = records(answer)
    assert "nothing_here" in text


def test_an_unusable_value_of_an_error_handler_names_it(app, client):
    app.set_route("/", lambda req: {}["key"])

    @app.error_handler(KeyError)
    def mend(req, error):
        return 5

    answer = client.get("/")
    assert answer.status_code == 500
    (text,) = records(answer)
    assert "mend" in text


def test_make_response_says_what_it_was_given():
    with pytest.raises(ResponseError) as caught:
        make_response(12345)
    assert str(caught.value).startswith("Returned data must by: ")
    assert "12345" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (12345, "of 12345: 'int' object is not iterable"),
        (make_response, "a function: does a decorator lack its parentheses?"),
        ({"now": date(2026, 1, 2)}, ": Object of type date is not JSON serializable"),
        (("text", "text/plain", 201), "of 'text': headers must be list, tuple, set or"),
        (("text", 200, {"X-Own": 5}), "of 'text': Header name/value must be of type"),
    ],
)
def test_an_unusable_value_says_why(app, client, value, reason):
    """Of a tuple the value may be fine, and something else of it is wrong."""
    app.set_route("/", lambda req: value)
    (text,) = records(client.get("/"))
    assert "No response can be made of " in text
    assert reason in text


# -- a response object twice ------------------------------------------------------


def test_a_response_given_twice_says_so_once(app, client):
    constant = Response("once")

    @app.route("/same")
    def same(req):
        return constant

    assert client.get("/same").text == "once"
    answer = client.get("/same")
    assert answer.status_code == 500
    (text,) = records(answer)
    assert "NoneType" not in text
    (record,) = answer.log
    assert record.exc_info[0] is ResponseError
    assert "was returned twice" in str(record.exc_info[1])
    assert "same" in text


def test_a_state_handler_that_gives_the_same_response_twice(app, client):
    """The page of ours is what is left, for 500 as well."""
    constant = Response("mine", status_code=500)
    app.set_http_state(500, lambda req: constant)
    app.set_route("/", lambda req: 1 / 0)
    assert client.get("/").text == "mine"
    answer = client.get("/")
    assert answer.status_code == 500
    assert "error id" in answer.text


# -- streams ----------------------------------------------------------------------

#: Kinds that hand the generator to the server as it is.
RAW = ("generator", "response")
TEXTS = {
    "str": ["a", "b"],
    "str behind bytes": [b"a", "b"],
    "None": [b"a", None],
    "a number": [5],
    "a list": [[b"a"]],
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", ["generator", "iterator", "response", "range"])
def test_a_stream_of_anything_but_bytes_is_a_clear_error(app, name, kind):
    """PEP 3333 wants bytes; uWSGI drops text without a word: an empty 200."""
    closed = []

    def generate():
        try:
            yield from TEXTS[name]
        finally:
            closed.append(True)

    def handler(req):
        if kind == "iterator":
            return iter(TEXTS[name])
        if kind == "generator":
            return generate()
        response = GeneratorResponse(generate(), content_length=2)
        if kind == "range":
            response.make_partial([(0, 1)])
        return response

    app.set_route("/", handler)
    # Other servers complain by themselves of what a plain generator gives; under
    # uWSGI that is a matter of debugging, since it has a price for each block.
    app.debug = kind in RAW
    given = environ(**{"uwsgi.version": b"2.0"} if kind in RAW else {})
    started = []
    body = app(given, lambda status, headers: started.append(status))
    if started == ["500 Internal Server Error"]:
        # The first block was made before the headers were sent.
        assert kind in RAW
        assert closed == [True]
        return
    with pytest.raises(TypeError, match="a block of the body has to be bytes, not"):
        list(body)
    with suppress(AttributeError):
        body.close()
    assert closed == ([] if kind == "iterator" else [True])


UWSGI = {"uwsgi.version": b"2.0.31"}


@pytest.mark.parametrize("server", [UWSGI, {"SERVER_SOFTWARE": "Granian"}])
def test_an_error_in_the_first_block_is_a_500(app, client, server):
    """These servers: it would have ended a good answer without a body."""
    closed = []

    def rows():
        try:
            yield b"%d" % (1 // 0)
        finally:
            closed.append(1)

    app.set_route("/", lambda req: rows())
    answer = client.get("/", environ=server)
    assert answer.status_code == 500
    (text,) = records(answer)
    assert "ZeroDivisionError" in text
    assert closed == [1]


def test_head_makes_no_block(app, client):
    """A generator that never ran has nothing to close either."""
    made = []

    def rows():
        made.append("row")
        yield b"row"

    app.set_route("/", lambda req: rows())
    assert client.head("/", environ=UWSGI).status_code == 200
    assert made == []


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize(
    "make", [iter, list, tuple, lambda blocks: (b for b in blocks)]
)
def test_all_blocks_are_sent_under_uwsgi(app, client, make, count):
    blocks = [b"%d," % number for number in range(count)]

    def handler(req):
        return GeneratorResponse(make(blocks), content_length=len(b"".join(blocks)))

    app.set_route("/", handler)
    answer = client.get("/", environ=UWSGI)
    assert (answer.status_code, answer.data) == (200, b"".join(blocks))
    assert client.head("/", environ=UWSGI).data == b""


@pytest.mark.parametrize("taken", [0, 1, 2, 9])
def test_a_stream_is_closed_once_under_uwsgi(app, taken):
    closed = []

    class Blocks:
        def __iter__(self):
            return iter([b"a", b"b", b"c"])

        def close(self):
            closed.append(1)

    app.set_route("/", lambda req: GeneratorResponse(Blocks()))
    body = app(environ(**UWSGI), lambda *_: None)
    for _ in zip(range(taken), body, strict=False):
        pass
    body.close()
    assert closed == [1]


def test_a_stream_of_text_names_the_response_for_text(app):
    app.set_route("/", lambda req: iter(["text"]))
    with pytest.raises(TypeError, match="StrGeneratorResponse"):
        list(app(environ(), lambda *_: None))


@pytest.mark.parametrize("block", [bytearray(b"a"), memoryview(b"a")])
def test_blocks_that_are_nearly_bytes_are_made_bytes(app, client, block):
    app.set_route("/", lambda req: iter([block, b"b"]))
    assert client.get("/").data == b"ab"


# -- files ------------------------------------------------------------------------


def environ(method="GET", path="/", **more):
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        **more,
    }


def test_a_file_that_shrinks_while_it_is_sent_is_no_whole_answer(app, tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"x" * 200_000)
    app.set_route("/", lambda req: FileResponse(path))
    body = app(environ(), lambda *_: None)
    os.truncate(path, 70_000)
    with pytest.raises(OSError, match="130000 bytes of a file are missing"):
        list(body)
    body.close()


def test_a_range_of_a_file_that_shrinks_is_no_whole_answer(app, tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"x" * 200)

    def handler(req):
        response = FileResponse(path)
        response.make_partial([(50, 149)])
        return response

    app.set_route("/", handler)
    body = app(environ(), lambda *_: None)
    os.truncate(path, 60)
    with pytest.raises(OSError, match="90 bytes"):
        list(body)
    body.close()


def test_all_of_a_file_that_grows_is_what_was_announced(app, client, tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"x" * 100)

    def handler(req):
        response = FileResponse(path)
        with path.open("ab") as file:
            file.write(b"y" * 50)
        return response

    app.set_route("/", handler)
    answer = client.get("/")
    assert answer.data == b"x" * 100
    assert answer.headers["Content-Length"] == "100"


@pytest.mark.parametrize("name", ["gzip", "bz2", "lzma"])
def test_a_compressed_file_is_sent_as_what_is_in_it(app, client, tmp_path, name):
    """Its descriptor knows the compressed size, which cut the answer silently."""
    module = pytest.importorskip(name)
    path = tmp_path / "file"
    with module.open(path, "wb") as file:
        file.write(b"text " * 10_000)
    app.set_route("/", lambda req: FileObjResponse(module.open(path)))
    answer = client.get("/")
    assert answer.data == b"text " * 10_000
    assert "Content-Length" not in answer.headers
    assert not hasattr(app(environ(), lambda *_: None), "fileno")


# -- rules --------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["/<a>/<a>", "/<a:int>-<a>", "/x/<a:re:[a-z]+>/<a>"])
def test_a_group_name_twice_names_the_rule(app, rule):
    with pytest.raises(ValueError, match="two groups named 'a'") as caught:
        app.set_route(rule, lambda req, a: "")
    assert rule in str(caught.value)
    assert app.regular_routes == {}


@pytest.mark.parametrize("rule", ["/<a:re:(>", "/<a:re:[>/x", "/<a>)", "/(<a>"])
def test_a_regular_expression_that_is_none_names_the_rule(app, rule):
    with pytest.raises(ValueError, match="is no regular expression") as caught:
        app.set_route(rule, lambda req, a: "")
    assert rule in str(caught.value)


# -- servers --------------------------------------------------------------------------


def test_what_is_no_application_is_not_mounted(app):
    with pytest.raises(TypeError, match="takes a WSGI application, not 'old'"):
        app.mount("/old", "old")


@pytest.mark.parametrize("path", ["/", "/int/5", "/none"])
def test_a_server_without_a_method_is_answered_400(app, path):
    """PEP 3333 demands one; the walk had a KeyError and a page of 500."""
    app.set_route("/", lambda req: "text")
    app.set_route("/int/<a:int>", lambda req, a: "text")
    app.set_error_handler(KeyError, lambda req, error: "taken for mine")
    given = environ(path=path)
    del given["REQUEST_METHOD"]
    started = []
    body = app(given, lambda *args: started.append(args))
    assert started[0][0].startswith("400")
    assert b"text" not in b"".join(body)[:4]


# -- mounts ---------------------------------------------------------------------------

STRANGE = ["PROPFIND", "MKCOL", "LOCK", "REPORT", "BREW", "get", "M-SEARCH", "*"]


def telling(environ, start_response):
    """Tell method, script name and path, as a mounted application sees them."""
    start_response("207 Multi-Status", [("Content-Type", "text/plain")])
    keys = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO")
    return [" ".join(environ[key] for key in keys).encode()]


@pytest.mark.parametrize("method", STRANGE)
def test_a_mounted_application_gets_every_method(app, method):
    """WebDAV has methods of its own; which ones it knows is for it to say."""
    hooks = []
    app.mount("/dav", telling)
    app.add_before_response(lambda req: hooks.append(req.uri_rule))
    started = []
    body = app(environ(method, "/dav/a/b"), lambda *args: started.append(args))
    assert started[0][0] == "207 Multi-Status"
    assert b"".join(body).decode() == f"{method} /dav /a/b"
    assert hooks == ["/dav/*"]


@pytest.mark.parametrize("path", ["/", "/item/5", "/davx", "/none"])
def test_outside_of_mounts_an_unknown_method_is_501(app, client, path):
    ran = []
    app.mount("/dav", telling)
    app.set_route("/", lambda req: ran.append(1))
    app.set_route("/item/<n:int>", lambda req, n: ran.append(1), state.METHOD_ALL)
    answer = client.request("PROPFIND", path)
    assert answer.status_code == 501
    assert ran == []


def test_a_nul_in_the_path_reaches_no_mounted_application(app):
    app.mount("/dav", telling)
    started = []
    list(app(environ("PROPFIND", "/dav/a\0b"), lambda *args: started.append(args)))
    assert started[0][0][:3] in ("400", "501")


def test_a_mount_in_a_mount_gets_every_method(app):
    inner = Application("inner of a mount")
    inner.mount("/b", telling)
    app.mount("/a", inner)
    started = []
    body = app(environ("LOCK", "/a/b/c"), lambda *args: started.append(args))
    assert b"".join(body) == b"LOCK /a/b /c"
