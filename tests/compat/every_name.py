"""An application that uses every public name of the core, as 2.8.1 had them.

Each handler uses some names and answers with what came out; CASES says what
must. A server can serve it: ``uwsgi --wsgi-file tests/compat/every_name.py``.
"""

import tempfile
import warnings
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import poorwsgi
from poorwsgi import Application, abort, make_response, redirect, state
from poorwsgi import fieldstorage as fieldstorage_module
from poorwsgi import headers as headers_module
from poorwsgi import request as request_module
from poorwsgi import response as response_module
from poorwsgi import wsgi as wsgi_module
from poorwsgi.headers import (
    ContentRange,
    Headers,
    datetime_to_http,
    http_to_datetime,
    http_to_time,
    parse_header,
    parse_negotiation,
    parse_range,
    render_negotiation,
    time_to_http,
)
from poorwsgi.request import (
    Args,
    CachedInput,
    EmptyForm,
    FieldStorage,
    JsonDict,
    JsonList,
    Request,
    SimpleRequest,
    parse_json_request,
)
from poorwsgi.response import (
    BaseResponse,
    Declined,
    EmptyResponse,
    FileObjResponse,
    FileResponse,
    GeneratorResponse,
    HTTPException,
    IBytesIO,
    JSONGeneratorResponse,
    JSONResponse,
    NoContentResponse,
    NotModifiedResponse,
    PartialResponse,
    RedirectResponse,
    Response,
    ResponseError,
    StrGeneratorResponse,
    TextResponse,
)
from poorwsgi.wsgi import re_filter, re_invalid_filter, to_response

application = app = Application("every-name")

WHEN = "Sun, 06 Nov 1994 08:49:37 GMT"


class OwnError(Exception):
    """An exception with a handler."""


# -- set up ----------------------------------------------------------------

app.auto_args = app.auto_form = app.auto_json = True
app.auto_data = app.auto_cookies = True
app.cached_size = app.data_size = 65365
app.read_timeout = 10
app.keep_blank_values = 1
app.strict_parsing = 0
app.file_callback = None
app.json_mime_types.append("application/x-own")
app.form_mime_types.append("application/x-own-form")
app.debug = False
app.document_root = ""
app.document_index = False
app.secret_key = "secret"
app.auth_type = "Digest"
app.auth_algorithm = "SHA-256-sess"
app.auth_qop = "auth"
app.auth_timeout = 300
app.auth_map = {"realm": {"joe": "digest"}}
app.set_filter("email", r"[\w.]+@[\w.]+", str.lower)


def before(req):
    """Leave something on the request."""
    req.db = "database"
    req.api = "api"
    req.user = "joe"
    req.own = "anything"


@app.after_response()
def after(req, response):
    """Show that hooks run."""
    if not isinstance(response, Declined):
        response.add_header("X-After", req.db if hasattr(req, "db") else "simple")
    return response


app.add_before_response(before)


# -- 3: the application ----------------------------------------------------


@app.route("/")
def index(req):
    """Tell where everything comes from."""
    return poorwsgi.__name__ + " " + type(state.__version__).__name__


@app.route("/settings")
def settings(req):
    """Read every option back."""
    return {
        "name": app.name,
        "auto": [
            app.auto_args,
            app.auto_form,
            app.auto_json,
            app.auto_data,
            app.auto_cookies,
        ],
        "sizes": [app.cached_size, app.data_size, app.read_timeout],
        "parsing": [app.keep_blank_values, app.strict_parsing, app.file_callback],
        "types": [app.json_mime_types[-1], app.form_mime_types[-1]],
        "files": [app.debug, app.document_root, app.document_index],
        "auth": [
            app.secret_key,
            app.auth_type,
            app.auth_algorithm,
            app.auth_hash(b"").name,
            app.auth_qop,
            app.auth_timeout,
            app.auth_map,
        ],
        "options": Application.get_options().get("every_name"),
        "algorithms": sorted(wsgi_module.AUTH_DIGEST_ALGORITHMS)[:2],
    }


def temporary(req, *args):
    """Be set and removed again."""
    return f"temporary {args}"


@app.route("/tables")
def tables(req):
    """Set everything by name, look at it, and take it away."""
    seen = []
    get = state.METHOD_GET
    app.set_route("/tmp", temporary, get)
    app.set_route("/tmp/<x:int>", temporary, get)
    app.set_regular_route("/tmp-.*", temporary, get, (), "tmp rule")
    seen += [app.is_route("/tmp"), app.is_route("/tmp/<x:int>")]
    seen += [app.is_regular_route("/tmp-.*"), app.is_route("/nothing")]
    seen += ["/tmp" in app.routes, len(app.regular_routes) > 2]
    seen += [app.pop_route("/tmp", get) is temporary]
    seen += [app.pop_route("/tmp/<x:int>", get)[0] is temporary]
    seen += [app.pop_regular_route("/tmp-.*", get)[2]]
    app.set_default(temporary, state.METHOD_TRACE)
    seen += [state.METHOD_TRACE in app.defaults]
    seen += [app.pop_default(state.METHOD_TRACE) is temporary]
    app.set_http_state(state.HTTP_CONFLICT, temporary, get)
    seen += [state.HTTP_CONFLICT in app.states]
    seen += [app.pop_http_state(state.HTTP_CONFLICT, get) is temporary]
    app.set_error_handler(LookupError, temporary, get)
    seen += [LookupError in app.errors]
    seen += [app.pop_error_handler(LookupError, get) is temporary]
    app.add_before_response(temporary)
    app.add_after_response(temporary)
    seen += [len(app.before), len(app.after), ":email" in app.filters]
    app.pop_before_response(temporary)
    app.pop_after_response(temporary)
    return seen


@app.route("/old-hooks")
def old_hooks(req):
    """Use the deprecated names of the hooks."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        app.before_request()(temporary)
        app.pop_before_request(temporary)
        app.add_before_request(temporary)
        app.pop_before_request(temporary)
        app.after_request()(temporary)
        app.pop_after_request(temporary)
        app.add_after_request(temporary)
        app.pop_after_request(temporary)
    return sorted({str(each.message).split()[3] for each in caught})


@app.route("/walk")
def walk(req):
    """Call the named steps of the walk."""
    environ = {**req.environ, "PATH_INFO": "/", "wsgi.input": BytesIO()}
    environ.pop("CONTENT_LENGTH", None)
    statuses = []

    def start_response(status, headers, exc_info=None):
        statuses.append(status)

    app.set_profile(run_plain, tempfile.gettempdir() + "/every-name")
    app.del_profile()
    app.__request__(dict(environ), start_response)
    app.__original_request__(dict(environ), start_response)
    app.__profile_request__(dict(environ), start_response)
    inner = Request(environ, app)
    app.handler_from_before(inner)
    return {
        "statuses": statuses,
        "table": app.handler_from_table(inner),
        "state": to_response(app.state_from_table(req, 404)).status_code,
        "error": to_response(app.error_from_table(req, OwnError("x"))).status_code,
        "default": to_response(
            app.handler_from_default(Request({**environ, "PATH_INFO": "/none"}, app))
        ).status_code,
        "filter": bool(re_filter.search("<x:int>")),
        "invalid": bool(re_invalid_filter.search("<x :int>")),
    }


def run_plain(statement, globals_, locals_, filename=None):
    """Stand for cProfile.runctx."""
    exec(statement, globals_, locals_)


@app.route("/type/<a:int>/<b:float>/<c:word>")
@app.route("/type/<a:hex>/<b:uuid>/<c:re:[A-Z]+>")
def typed(req, *args):
    """Take what every filter gives."""
    return {"args": [str(arg) for arg in args], "names": list(req.path_args)}


@app.route("/mail/<who:email>")
def mail(req, who):
    """Take what the own filter gives."""
    return f"{who} {req.uri_rule} {req.uri_handler.__name__}"


@app.regular_route("/regular/(?P<rest>.*)")
def regular(req, rest):
    """Take a group as it is."""
    return rest + " " + req.groups["rest"]


@app.default(state.METHOD_POST)
def default(req):
    """Answer POST to anything."""
    return f"default {req.uri_rule}"


@app.http_state(state.HTTP_NOT_FOUND)
def not_found(req, **kwargs):
    """Answer 404."""
    return f"own 404 {req.error_handler.__name__}", state.HTTP_NOT_FOUND


@app.error_handler(OwnError)
def own_error(req, error):
    """Answer an exception."""
    return f"own error {error}", state.HTTP_IM_USED


@app.route("/error")
def error(req):
    """Raise what has a handler."""
    raise OwnError("raised")


@app.route("/abort")
def aborted(req):
    """Stop with a status."""
    abort(state.HTTP_GONE)


@app.route("/raise")
def raised(req):
    """Stop with a response."""
    error = HTTPException(Response("raised", status_code=state.HTTP_ACCEPTED))
    assert error.status_code == error.response.status_code
    assert error.make_response() is error.response
    raise error


@app.route("/redirect")
def redirected(req):
    """Send the client on."""
    redirect("/", state.HTTP_SEE_OTHER, message="see")


@app.route("/declined")
def declined(req):
    """Make, but do not send, an answer that is none."""
    return {"sent": list(Declined()(lambda *_: 1 / 0))}


# -- 2: state --------------------------------------------------------------


@app.route("/state")
def states(req):
    """Add up all constants."""
    codes = [v for k, v in vars(state).items() if k.startswith("HTTP_")]
    bits = [v for k, v in vars(state).items() if k.startswith("METHOD_")]

    @state.deprecated("by a better one")
    def old():
        return "old"

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        old()
    return {
        "codes": len(set(codes)),
        "all": max(bits) == state.METHOD_ALL,
        "declined": state.DECLINED,
        "methods": list(state.methods) == [name for name, _ in state.sorted_methods],
        "about": [type(state.__author__).__name__, type(state.__date__).__name__],
        "deprecated": str(caught[0].message),
    }


# -- 4: requests -----------------------------------------------------------


@app.route("/request", state.METHOD_ALL)
def request(req):
    """Read every attribute."""
    simple = SimpleRequest(req.environ, app)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        old = [req.get_options(), req.is_chunked_request]
    req.error_log("a message of the test")
    req.log_error("another one")
    return {
        "same": [req.app is app, simple.app is app],
        "dicts": [type(req.environ).__name__, type(req.poor_environ).__name__],
        "debug": req.debug,
        "line": [req.method, req.method_number, req.path, req.uri, req.query],
        "full_path": req.full_path,
        "host": [req.hostname, req.host_port > 0],
        "client": [
            req.remote_host,
            type(req.remote_addr).__name__,
            req.referer,
            type(req.user_agent).__name__,
        ],
        "server": [
            req.server_scheme,
            req.scheme,
            type(req.server_software).__name__,
            "@" in req.server_admin,
            type(req.server_hostname).__name__,
            req.server_port == req.port,
            req.server_protocol == req.protocol,
        ],
        "forwarded": [
            req.forwarded_for,
            req.forwarded_host,
            req.forwarded_port,
            req.forwarded_proto,
        ],
        "options": [req.secret_key, req.document_root, req.document_index],
        "time": req.start_time <= req.end_time,
        "url": req.construct_url("/x"),
        "headers": [req.headers["x-own"], req.headers_in.get("X-Own")],
        "body": [req.mime_type, req.charset, req.content_length],
        "accept": [
            req.accept,
            req.accept_charset,
            req.accept_encoding,
            req.accept_language,
        ],
        "accepts": [req.accept_html, req.accept_xhtml, req.accept_json],
        "authorization": req.authorization,
        "is": [req.is_xhr, req.is_body_request, req.is_chunked],
        "args": [type(req.args).__name__, req.args.getvalue("a")],
        "form": type(req.form).__name__,
        "json": type(req.json).__name__,
        "cookies": req.cookies["c"].value,
        "data": req.data is None or req.data == b"",
        "shelves": [req.user, req.api, req.db, req.own],
        "old": [type(each).__name__ for each in old],
        "warnings": len(caught),
        "rule": [req.uri_rule, req.uri_handler.__name__, req.error_handler],
        "path_args": req.path_args,
    }


@app.route("/form", state.METHOD_POST)
def form(req):
    """Read a form by its methods, and the body once more."""
    return {
        "value": req.form.getvalue("a"),
        "first": req.form.getfirst("b", func=int),
        "list": req.form.getlist("b", func=int),
        "blank": req.form.get("c"),
        "data": req.data.decode(),
        "json": type(req.json).__name__,
    }


@app.route("/json", state.METHOD_POST | state.METHOD_PUT)
def json(req):
    """Read JSON."""
    return {"type": type(req.json).__name__, "value": req.json}


@app.route("/read", state.METHOD_PUT)
def read(req):
    """Read a body block by block."""
    blocks = []
    while block := req.read(4):
        blocks.append(block.decode())
    return blocks


@app.route("/input", state.METHOD_PUT)
def read_input(req):
    """Read a body as a file."""
    return req.input.read(3).decode()


@app.route("/forms")
def forms(req):
    """Use the classes of forms by themselves."""

    class Query:
        query = "a=1&a=2"

    cached = CachedInput(BytesIO(b"line\r\nrest"), 10, 32768, None)
    body = BytesIO(b"x=1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored = FieldStorage(
            Request(
                {
                    "PATH_INFO": "/",
                    "REQUEST_METHOD": "POST",
                    "CONTENT_TYPE": "application/x-www-form-urlencoded",
                    "CONTENT_LENGTH": "3",
                    "wsgi.input": body,
                },
                app,
            )
        )
    return {
        "args": Args(Query()).getlist("a"),
        "empty": EmptyForm().getlist("a"),
        "dict": JsonDict(a=[1]).getfirst("a"),
        "list": JsonList([1, 2]).getlist("a"),
        "parsed": parse_json_request(b"[1]"),
        "line": [cached.readline().decode(), cached.read(4).decode()],
        "block_size": cached.block_size,
        "stored": stored.getvalue("x"),
        "interface": issubclass(EmptyForm, fieldstorage_module.FieldStorageInterface),
        "same": request_module.Headers is Headers,
        "patterns": [
            bool(request_module.RE_HTTPURLPATTERN.match("https://x")),
            bool(request_module.RE_AUTHORIZATION.search('a="b"')),
        ],
    }


@app.route("/chunks", state.METHOD_POST)
def chunks(req):
    """Read a chunked body by hand."""
    parts = []
    while part := req.read_chunk():
        parts.append(part.decode())
    return {"chunked": req.is_chunked, "body": "".join(parts)}


# -- 5: responses ----------------------------------------------------------


@app.route("/response")
def response(req):
    """Use every member of a response."""
    answer = Response("Hello", "text/plain", {"X-A": "1"}, state.HTTP_OK)
    answer.write(", World")
    answer.add_header("X-B", "2")
    answer.headers = Headers([*answer.headers])
    assert isinstance(answer, BaseResponse)
    facts = (answer.status_code, answer.reason, answer.content_length, answer.ranges)
    assert facts == (200, "OK", 12, ()), facts
    assert answer.data == b"Hello, World"
    answer.content_type = "text/x-plain"
    return answer


@app.route("/seams")
def seams(req):
    """Call the two halves of a response."""
    answer = TextResponse("x")
    statuses = []
    answer.__start_response__(lambda status, headers: statuses.append(status))
    body = answer.__end_of_response__()
    assert isinstance(body, IBytesIO)
    return [*statuses, body.read_kilo().decode()]


@app.route("/partial")
def partial(req):
    """Cut a range."""
    answer = Response("0123456789")
    answer.make_partial([(2, 4)])
    return answer


@app.route("/units")
def units(req):
    """Send a part in units of its own."""
    answer = PartialResponse("ž" * 3)
    answer.make_range([(0, 2)], "unicodes", 9)
    return answer


@app.route("/jsonresponse")
def jsonresponse(req):
    """Send JSON of keywords."""
    return JSONResponse(a=1, encoder_kwargs={"indent": None})


@app.route("/text")
def text(req):
    """Send plain text."""
    return TextResponse("ž")


@app.route("/fileobj")
def fileobj(req):
    """Send an open file."""
    return FileObjResponse(BytesIO(b"content"))


@app.route("/file")
def file(req):
    """Send this file."""
    return FileResponse(Path(__file__), "text/x-python")


@app.route("/generator")
def generator(req):
    """Send blocks."""
    return GeneratorResponse((b for b in (b"a", b"b")), content_length=2)


@app.route("/strgenerator")
def strgenerator(req):
    """Send pieces of text."""
    return StrGeneratorResponse(c for c in "žx")


@app.route("/jsongenerator")
def jsongenerator(req):
    """Send JSON while it is made."""
    return JSONGeneratorResponse(items=(i for i in range(3)))


@app.route("/nocontent")
def nocontent(req):
    """Send nothing."""
    return NoContentResponse({"X-A": "1"})


@app.route("/empty")
def empty(req):
    """Send nothing, the old way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return EmptyResponse()


@app.route("/redirectresponse")
def redirectresponse(req):
    """Send a redirect."""
    return RedirectResponse("/", state.HTTP_PERMANENT_REDIRECT)


@app.route("/notmodified")
def notmodified(req):
    """Send a 304."""
    return NotModifiedResponse(etag='"1"', date=http_to_time(WHEN), vary="Accept")


@app.route("/values")
def values(req):
    """Make responses of values, and fail to."""
    try:
        make_response(5)
    except ResponseError as err:
        refused = str(err)[:21]
    return [make_response("x").status_code, to_response(None).status_code, refused]


@app.route("/constants")
def constants(req):
    """Look at the tables of the module."""
    return [
        "Content-Type" in response_module.NOT_MODIFIED_DENY,
        "ETag" in response_module.NOT_MODIFIED_ONE_OF_REQUIRED,
        isinstance(response_module.JSON_GENERATOR, bool),
    ]


# -- 6: headers ------------------------------------------------------------


@app.route("/headers")
def headers(req):
    """Use every function and method."""
    when = http_to_datetime(WHEN)
    own = Headers([("A", "1")], strict=True)
    own.add("B", "2")
    own.add_header("Content-Disposition", "attachment", filename="x.png")
    own["C"] = "3"
    own.setdefault("D", "4")
    del own["A"]
    assert headers_module.RangeList is not None
    assert headers_module.HeadersList is not None
    return {
        "header": parse_header('text/html; Charset="utf-8"'),
        "negotiation": render_negotiation(parse_negotiation("gzip, *;q=0")),
        "range": parse_range("bytes=0-1,1-,-5"),
        "dates": [datetime_to_http(when), time_to_http(http_to_time(WHEN))],
        "utc": when == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC),
        "content_range": str(ContentRange(1, 2, 10)),
        "fields": [ContentRange().start, ContentRange().full, ContentRange().units],
        "format": headers_module.HEADER_DATETIME_FORMAT,
        "pattern": bool(headers_module.RE_BYTES_RANGE.match("0-1")),
        "names": own.names(),
        "keys": own.keys() == own.names(),
        "values": own.values(),
        "items": own.items()[0],
        "pairs": list(own)[-1],
        "get": [own["b"], own.get("x", 5), own.get_all("b"), "C" in own, len(own)],
        "text": Headers.utf8(Headers.iso88591("ž")),
    }


# -- what must come out ----------------------------------------------------

REQUEST_HEADERS = {
    "X-Own": "own",
    "Cookie": "c=1",
    "Accept": "text/html, application/json;q=0.5",
    "Authorization": 'Digest a="b"',
}

#: Method, path, what is sent (options of TestClient), status, body. A dict is
#: compared with those keys of the JSON answer, None compares no body.
CASES = [
    ("GET", "/", {}, 200, "poorwsgi str"),
    (
        "GET",
        "/settings",
        {},
        200,
        {
            "name": "every-name",
            "auto": [True] * 5,
            "sizes": [65365, 65365, 10],
            "parsing": [1, 0, None],
            "types": ["application/x-own", "application/x-own-form"],
            "files": [False, "", False],
            "auth": [
                "secret",
                "Digest",
                "SHA-256-sess",
                "sha256",
                "auth",
                300,
                {"realm": {"joe": "digest"}},
            ],
            "algorithms": ["MD5", "MD5-sess"],
        },
    ),
    (
        "GET",
        "/tables",
        {},
        200,
        [*[True] * 3, False, *[True] * 4, "tmp rule", *[True] * 6, 2, 2, True],
    ),
    (
        "GET",
        "/old-hooks",
        {},
        200,
        [
            "add_after_request",
            "add_before_request",
            "after_request",
            "before_request",
            "pop_after_request",
            "pop_before_request",
        ],
    ),
    (
        "GET",
        "/walk",
        {},
        200,
        {
            "statuses": ["200 OK"] * 3,
            "table": "poorwsgi str",
            "state": 404,
            "error": 226,
            "default": 404,
            "filter": True,
            "invalid": True,
        },
    ),
    (
        "GET",
        "/type/1/1.5/x",
        {},
        200,
        {"args": ["1", "1.5", "x"], "names": ["a", "b", "c"]},
    ),
    (
        "GET",
        "/type/ff/12345678-1234-1234-1234-123456789abc/Q",
        {},
        200,
        {"args": ["ff", "12345678-1234-1234-1234-123456789abc", "Q"]},
    ),
    ("GET", "/mail/Joe@Example.net", {}, 200, "joe@example.net /mail/<who:email> mail"),
    ("GET", "/regular/a/b", {}, 200, "a/b a/b"),
    ("POST", "/nowhere", {}, 200, "default /*"),
    ("GET", "/nowhere", {}, 404, "own 404 not_found"),
    ("PUT", "/", {}, 405, None),
    ("OPTIONS", "/", {}, 204, ""),
    ("HEAD", "/", {}, 200, ""),
    ("GET", "/error", {}, 226, "own error raised"),
    ("GET", "/abort", {}, 410, None),
    ("GET", "/raise", {}, 202, "raised"),
    ("GET", "/redirect", {}, 303, "see"),
    ("GET", "/declined", {}, 200, {"sent": []}),
    (
        "GET",
        "/state",
        {},
        200,
        {
            "all": True,
            "declined": 0,
            "methods": True,
            "about": ["str", "str"],
            "deprecated": "Call to deprecated old by a better one",
        },
    ),
    (
        "GET",
        "/request?a=1",
        {"headers": REQUEST_HEADERS},
        200,
        {
            "same": [True, True],
            "dicts": ["dict", "dict"],
            "debug": False,
            "line": ["GET", 2, "/request", "/request", "a=1"],
            "full_path": "/request?a=1",
            "forwarded": [None, None, None, None],
            "options": ["secret", "", False],
            "time": True,
            "headers": ["own", "own"],
            "body": ["", "utf-8", -1],
            "accepts": [True, False, True],
            "authorization": {"type": "Digest", "a": "b"},
            "is": [False, False, False],
            "args": ["Args", "1"],
            "form": "EmptyForm",
            "json": "EmptyForm",
            "cookies": "1",
            "data": True,
            "shelves": ["joe", "api", "database", "anything"],
            "old": ["dict", "bool"],
            "warnings": 2,
            "rule": ["/request", "request", None],
            "path_args": {},
        },
    ),
    (
        "POST",
        "/form",
        {"data": {"a": "1", "b": ["2", "3"], "c": ""}},
        200,
        {
            "value": "1",
            "first": 2,
            "list": [2, 3],
            "blank": "",
            "data": "a=1&b=2&b=3&c=",
            "json": "EmptyForm",
        },
    ),
    ("POST", "/json", {"json": {"a": 1}}, 200, {"type": "JsonDict", "value": {"a": 1}}),
    ("PUT", "/json", {"json": [1]}, 200, {"type": "JsonList", "value": [1]}),
    ("POST", "/json", {"json": "x"}, 200, {"type": "str", "value": "x"}),
    ("PUT", "/read", {"body": b"0123456789"}, 200, ["0123", "4567", "89"]),
    ("PUT", "/input", {"body": b"0123456789"}, 200, "012"),
    (
        "GET",
        "/forms",
        {},
        200,
        {
            "args": ["1", "2"],
            "empty": [],
            "dict": 1,
            "list": [1, 2],
            "parsed": [1],
            "line": ["line\r\n", "rest"],
            "block_size": 32768,
            "stored": "1",
            "interface": True,
            "same": True,
            "patterns": [True, True],
        },
    ),
    ("GET", "/response", {}, 200, "Hello, World"),
    ("GET", "/seams", {}, 200, ["200 OK", "x"]),
    ("GET", "/partial", {}, 206, "234"),
    ("GET", "/units", {}, 206, "žžž"),
    ("GET", "/jsonresponse", {}, 200, {"a": 1}),
    ("GET", "/text", {}, 200, "ž"),
    ("GET", "/fileobj", {}, 200, "content"),
    ("GET", "/file", {}, 200, None),
    ("GET", "/generator", {}, 200, "ab"),
    ("GET", "/strgenerator", {}, 200, "žx"),
    ("GET", "/jsongenerator", {}, 200, {"items": [0, 1, 2]}),
    ("GET", "/nocontent", {}, 204, ""),
    ("GET", "/empty", {}, 204, ""),
    ("GET", "/redirectresponse", {}, 308, ""),
    ("GET", "/notmodified", {}, 304, ""),
    ("GET", "/values", {}, 200, [200, 204, "Returned data must by"]),
    ("GET", "/constants", {}, 200, [True, True, True]),
    (
        "GET",
        "/headers",
        {},
        200,
        {
            "header": ["text/html", {"charset": "utf-8"}],
            "negotiation": "gzip;q=1.0, *;q=0.0",
            "range": {"bytes": [[0, 1], [1, None], [None, 5]]},
            "dates": [WHEN, WHEN],
            "utc": True,
            "content_range": "bytes 1-2/10",
            "fields": [0, "*", "bytes"],
            "pattern": True,
            "names": ["B", "Content-Disposition", "C", "D"],
            "keys": True,
            "values": ["2", 'attachment; filename="x.png"', "3", "4"],
            "items": ["B", "2"],
            "pairs": ["D", "4"],
            "get": ["2", 5, ["2"], True, 4],
            "text": "ž",
        },
    ),
]

if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    make_server("127.0.0.1", 8080, app).serve_forever()
