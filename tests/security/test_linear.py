"""ReDoS and its kin: each parser of client text takes linear time.

Hostile texts of three sizes go through each parser. Sixteen times the size may
cost 64 times the processor time: linear work costs 16 times, quadratic work 256
times, and a busy machine does not make the one look like the other. Fewer texts
are held to less by `make budgets`, which counts instructions.
"""

import contextlib
import json
import re
import sys
import time
from io import BytesIO
from pathlib import Path

import pytest
from fuzz.world import KEY, REALM, call, environ_of, make_application, unique

from poorwsgi import Application, cookies, digest, headers
from poorwsgi.aes_session import AESSession
from poorwsgi.body import ChunkedInput, Pace, loads_json
from poorwsgi.fieldstorage import FieldStorageParser
from poorwsgi.headers import Headers
from poorwsgi.multipart import Part, safe_filename
from poorwsgi.render import html_escape
from poorwsgi.session import PoorSession
from poorwsgi.static import failed_precondition, normalised, wanted_spans
from poorwsgi.urlencoded import parse_query

SIZES = (1024, 4096, 16384)
GROWTH = 64
#: Below this, in seconds, a figure says more about the machine than about us.
FLOOR = 0.0005

UNITS = [
    *('"', "\\", ",", ";", "=", " ", "\t", "a", "-", ".", "/", "_", "1", ":", "[", "%"),
    *(
        "a=",
        "a=b;",
        'a="b',
        '\\"',
        '"a",',
        '"\\',
        "..",
        "/../",
        "/./",
        "%41",
        "%2",
        "é",
    ),
    *('W/"', 'W/"a" ', "q=0.5,", ";q=", "a;q=0.5,", "0-0,", "-1,", "a=b&", "&", "=;"),
    *(
        "eyJ-",
        "<",
        "é\\",
        "a-",
        "-_",
        "a.",
        "a b",
        ' "',
        '="',
        ", ,",
        "1:",
        "::",
        "\r\n",
    ),
    *(
        "\r",
        "\n",
        "--x",
        "\r\n--x",
        "--x--",
        "{",
        '{"a":',
        "[1,",
        '"\\u',
        "\\ud800",
        "1e",
    ),
]


def read_cookies(text):
    """Parse a Cookie header and make all morsels of it."""
    return list(cookies.parse_cookies(text).items())


def load_session(kind):
    """Return a reader of the sealed cookie of a session."""

    def load(text):
        with contextlib.suppress(RuntimeError):
            kind(KEY).load(cookies.parse_cookies("SESSID=" + text.replace(";", "")))

    return load


def parser_of(body, lines):
    """Return a parser without the limit on fields, which would end it early."""
    return FieldStorageParser(BytesIO(body), Headers(lines), max_num_fields=10**6)


def form_of(content_type, prefix=b"", suffix=b""):
    """Return a parser of bodies of one type, which looks each field up."""

    def parse(text):
        body = prefix + text.encode("latin-1") + suffix
        length = {"Content-Type": content_type, "Content-Length": str(len(body))}
        with contextlib.suppress(ValueError):
            form = parser_of(body, length).parse()
            for name in form:
                form.getlist(name)

    return parse


PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
MULTIPART = "multipart/form-data; boundary=x"


def safely(function):
    """Return a function that may refuse its text."""

    def parse(text):
        with contextlib.suppress(ValueError, TypeError):
            function(text)

    return parse


def read_chunks(text):
    reader = ChunkedInput(BytesIO(text.encode("latin-1")), Pace(None, None))
    with contextlib.suppress(ValueError):
        while reader.read(8192):
            pass


def conditions(name):
    def judge(text):
        lookup = {name: text}.get
        failed_precondition(lookup, '"tag"', 10)

    return judge


PARSERS = {
    "path of a file": lambda text: normalised("/" + text),
    "query": lambda text: parse_query(text, 1, 0),
    "query, strict": safely(lambda text: parse_query(text, 1, 1)),
    "cookies": read_cookies,
    "parameters": headers.parse_header,
    "accept": headers.parse_negotiation,
    "range": headers.parse_range,
    "range of a file": lambda text: wanted_spans(
        {"HTTP_RANGE": "bytes=" + text}.get, '"tag"', 10, 9999
    ),
    "entity tags": headers.parse_etags,
    "if-match": conditions("HTTP_IF_MATCH"),
    "if-none-match": conditions("HTTP_IF_NONE_MATCH"),
    "forwarded": headers.parse_forwarded,
    "forwarded host": headers.parse_forwarded_host,
    "host": headers.parse_host,
    "authorization": lambda text: headers.parse_authorization("Digest " + text),
    "authorization, a value": lambda text: headers.parse_authorization(
        f'Digest username="{text}, realm="x"'
    ),
    "date": safely(headers.http_to_time),
    "header out": safely(lambda text: headers.check_header("X-Any", text)),
    "json": safely(lambda text: loads_json(text.encode())),
    "json text": safely(lambda text: loads_json(b'"' + text.encode() + b'"')),
    "session": load_session(PoorSession),
    "sealed session": load_session(AESSession),
    "form": form_of("application/x-www-form-urlencoded"),
    "multipart": form_of(MULTIPART),
    "multipart, a field": form_of(MULTIPART, PART, b"\r\n--x--\r\n"),
    "multipart, a header": form_of(MULTIPART, b"--x\r\nA: ", b"\r\n\r\nv\r\n--x--\r\n"),
    "part header": safely(
        lambda text: Part(f'Content-Disposition: form-data; name="{text}')
    ),
    "file name": safe_filename,
    "chunks": read_chunks,
    "page": html_escape,
}


def cost(parse, text):
    """Return the processor time of one call."""
    since = time.thread_time()
    parse(text)
    return time.thread_time() - since


def text_of(unit, size):
    return (unit * (size // len(unit) + 1))[:size]


def assert_linear(parse, make, label):
    """Hold the growth of the cost against the growth of the text."""
    texts = [make(size) for size in SIZES]
    for attempt in range(5):
        costs = [cost(parse, text) for text in texts]
        if attempt == 0:
            best = costs
        best = [min(pair) for pair in zip(best, costs, strict=True)]
        if best[2] <= GROWTH * max(best[0], FLOOR):
            return
    raise AssertionError(f"{label}: {best} seconds for {SIZES} bytes")


@pytest.mark.parametrize("name", PARSERS)
def test_redos_no_text_is_dear_to_parse(name):
    for unit in UNITS:
        assert_linear(PARSERS[name], lambda size, unit=unit: text_of(unit, size), unit)


RULES = [
    *(
        "/<a>-<b>",
        "/<a>-<b>-<c>",
        "/<a>-<b>_<c>.html",
        "/<a>--<b>--<c>/x",
        "/<a>.<b>.x",
    ),
    *("/<a:word>_<b:word>_<c:int>", "/<a>_<b:word>x", "/<a:path>/x", "/<a:path>/<b>"),
    *("/<a:int>-<b:int>x", "/<a:float>-<b:float>x", "/<a:float>/<b:float>/x"),
    *("/<a:hex>-<b:hex>x", "/<a:uuid>/x", "/<a>/<b>/<c>/x", "/<a:any(x,xx)>-<b>.x"),
]


@pytest.mark.parametrize("rule", RULES)
def test_redos_no_path_is_dear_to_match(rule):
    """Groups in one segment had to try each separator for each group."""
    app = Application(unique(rule))
    app.set_route(rule, lambda req, *values: "found")

    def ask(path):
        call(app, environ_of("GET", path))

    for unit in (
        "-",
        "_",
        ".",
        "a-",
        "-_.",
        "--",
        "1",
        "1.",
        "1-",
        "a",
        "/",
        "x",
        "_1",
    ):
        for end in ("", "!", "\n", "/y"):
            assert_linear(
                ask,
                lambda size, unit=unit, end=end: "/" + text_of(unit, size) + end,
                (unit, end),
            )


SHARING = [
    *("/<a><b>x", "/<a:word><b:word>", "/<a:path>/<b:path>/<c:path>", "/<a>-<b:path>"),
    *("/<a:path>/x/<b>/<c:path>", "/<a:path>/<b:int>/<c:path>", "/<a>-<b:int>-<c>x"),
    *("/<a:float>-<b:float>-<c:float>x", "/<a:re:.*>/<b:re:.*>/<c:re:.*>x"),
    *("/<a:re:(x|a)+><b:re:[-xa]{2,}>y", "/(x|)<a:path>/<b:path>/<c:path>y"),
]


def lines_of(function, *args):
    """Return how many lines of Python a call runs; a busy machine changes nothing."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "line"
        return note

    sys.settrace(note)
    try:
        function(*args)
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize("rule", SHARING)
def test_redos_no_path_is_dear_to_split_among_groups(rule):
    """Three `path` groups took minutes for 8 KB that fit in no way.

    What is left to regular expressions is counted by tests/bench/linear.py.
    """
    app = Application(unique(rule))
    app.set_route(rule, lambda req, *values: "found")
    find = app._router.find
    for unit in ("/", "x/", "-", "a", "1-1/"):
        for end in ("!", "\n"):
            paths = ["/" + text_of(unit, size) + end for size in (512, 8192)]
            few, many = (lines_of(find, path, "GET") for path in paths)
            assert many <= 17 * few, (unit, end)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/<a>-<b>-<c>", "/1-2-3-4"),
        ("/<a>-<b>-<c>", "/----"),
        ("/<a>-<b>-<c>", "/-----"),
        ("/<a>--<b>", "/a--a--"),
        ("/<a>--<b>", "/a---b"),
        ("/<a>-<b>.html", "/a-b.html.html"),
        ("/<a:word>_<b:word>", "/a_b_"),
        ("/<a>_<b:word>-<c>", "/a_b_c-d-e"),
    ],
)
def test_groups_in_one_segment_are_as_greedy_as_ever(rule, path):
    """What makes them cheap changes nothing of what they hold."""
    app = Application(unique(rule))
    app.set_route(rule, lambda req, *found: list(found))
    pattern = rule.replace(".", r"\.")
    pattern = re.sub(r"<\w+:word>", r"(\\w+)", pattern)
    match = re.fullmatch(re.sub(r"<\w+>", "([^/]+)", pattern), path)
    reply = call(app, environ_of("GET", path))
    assert reply.status == (200 if match else 404)
    if match:
        assert json.loads(reply.body) == list(match.groups())


HEADERS = [
    *("HTTP_ACCEPT", "HTTP_AUTHORIZATION", "HTTP_IF_NONE_MATCH", "HTTP_RANGE"),
    *("HTTP_FORWARDED", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PREFIX"),
    *("HTTP_HOST", "CONTENT_TYPE", "QUERY_STRING", "HTTP_TRACEPARENT", "HTTP_ORIGIN"),
    *("HTTP_USER_AGENT", "HTTP_REFERER", "HTTP_X_REQUEST_ID", "HTTP_TRANSFER_ENCODING"),
]


@pytest.mark.parametrize("key", HEADERS)
@pytest.mark.parametrize("path", ["/read", "/digest", "/a.txt", "/nowhere"])
def test_redos_no_header_is_dear_to_answer(key, path, tmp_path):
    """The whole walk, with access log, for a file, a page and a login."""
    Path(tmp_path, "a.txt").write_bytes(b"0123456789")
    app = make_application(unique("linear"), tmp_path)
    app.access_log = True

    def ask(text):
        call(app, environ_of("GET", path, **{key: text}))

    for unit in ('"', ",", "a=b,", ";", "\\", " ", "1-", "a", "é", "=", "W/"):
        assert_linear(ask, lambda size, unit=unit: text_of(unit, size), unit)


def test_redos_no_uri_of_digest_is_dear_to_compare():
    app = make_application(unique("digest"))
    for unit in ("a=b&", "%", "%41", "é", "+", "/", "?", "a", "://", ";"):

        def ask(text):
            header = f'Digest username="joe", realm="{REALM}", uri="/digest?{text}"'
            environ = environ_of("GET", "/digest", QUERY_STRING=text)
            call(app, {**environ, "HTTP_AUTHORIZATION": header})
            digest.is_target("/digest?" + text, app.request_class(environ, app))

        assert_linear(ask, lambda size, unit=unit: text_of(unit, size), unit)


def test_memory_looking_up_all_fields_is_linear_in_their_number():
    """Quadratic look-up: 64,000 fields of one or of many names."""

    def look_up(names):
        body = "&".join(f"{name}=1" for name in names).encode()
        length = {"Content-Length": str(len(body))}
        form = parser_of(body, length).parse()
        for name in form:
            form.getlist(name)
            form.getfirst(name)
            assert name in form

    for many in (True, False):
        assert_linear(
            look_up,
            lambda size, many=many: [
                f"n{number if many else 0}" for number in range(size // 4)
            ],
            many,
        )
