"""What each response sends: status, headers, body, and who closes what."""

import asyncio
import gzip
import io
import json
import os
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from http import HTTPStatus
from types import SimpleNamespace
from typing import ClassVar

import pytest

from poorwsgi import abort, redirect, state
from poorwsgi import response as response_module
from poorwsgi.headers import Headers, http_to_time
from poorwsgi.response import (
    HTML,
    NOT_MODIFIED_DENY,
    NOT_MODIFIED_ONE_OF_REQUIRED,
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
    encode_json,
    make_response,
    to_response,
)

TEN = b"0123456789"
POWERED_BY = ("X-Powered-By", "Poor WSGI for Python")


def sent(response):
    """Send a response; return status line, headers and body."""
    seen = []
    body = response(lambda status, headers: seen.append((status, headers)))
    data = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    ((status, headers),) = seen
    assert type(headers) is list
    return status, dict(headers), data


class Source:
    """An iterable that counts how often it is closed."""

    def __init__(self, blocks=(TEN,)):
        self.blocks = iter(blocks)
        self.closed = 0

    def __iter__(self):
        return self.blocks

    def close(self):
        self.closed += 1


class CountingFile(io.BytesIO):
    """A file that counts how often it is closed."""

    count = 0

    def close(self):
        self.count += 1
        super().close()


def counting_generator(blocks, seen):
    """Yield blocks; note the end in *seen*."""
    try:
        yield from blocks
    finally:
        seen.append("closed")


# -- what every response has -----------------------------------------------


def test_default_headers_are_one():
    assert list(BaseResponse().headers) == [POWERED_BY]


@pytest.mark.parametrize("headers", [(), {}, [], set(), Headers()])
def test_explicit_headers_replace_the_default_one(headers):
    assert list(Response("x", headers=headers).headers) == []


@pytest.mark.parametrize(
    "headers",
    [
        [("A", "b")],
        (("A", "b"),),
        {("A", "b")},
        {"A": "b"},
        ("A", "b"),
        Headers([("A", "b")]),
    ],
)
def test_headers_come_in_many_shapes(headers):
    assert list(Response("x", headers=headers).headers) == [("A", "b")]


def test_a_headers_object_is_used_by_reference():
    headers = Headers()
    response = Response(headers=headers)
    assert response.headers is headers
    other = Headers()
    response.headers = other
    assert response.headers is other
    response.headers = [("A", "b")]
    assert response.headers["a"] == "b"


def test_a_shared_headers_object_does_not_keep_a_computed_header():
    shared = Headers([("X-A", "1")])
    assert sent(Response("four", headers=shared))[1]["Content-Length"] == "4"
    assert sent(Response("sixsix", headers=shared))[1]["Content-Length"] == "6"
    assert list(shared) == [("X-A", "1")]


def test_content_type_is_used_unless_a_header_has_one():
    response = Response("x", "text/a", {"content-type": "text/b"})
    assert sent(response)[1] == {"content-type": "text/b", "Content-Length": "1"}
    response = Response("x", headers=())
    response.content_type = "text/c"
    assert sent(response)[1]["Content-Type"] == "text/c"


@pytest.mark.parametrize(
    "given", [[("Content-Length", "999")], [("content-length", "1")] * 2]
)
def test_a_content_length_that_lies_is_corrected(given):
    pairs = []
    Response("four", headers=given)(lambda status, headers: pairs.extend(headers))
    lengths = [value for name, value in pairs if name.lower() == "content-length"]
    assert lengths == ["4"]


@pytest.mark.parametrize("code", sorted(state.REASONS))
def test_every_status_has_its_line(code):
    status, _, _ = sent(Response("x", status_code=code, headers={"ETag": '"x"'}))
    assert status == f"{code} {state.REASONS[code]}"


@pytest.mark.parametrize("code", [0, 99, 299, 600, 1000, -200])
def test_an_unknown_status_is_a_value_error(code):
    with pytest.raises(ValueError, match=f"Bad response status {code}"):
        Response(status_code=code)


@pytest.mark.parametrize("code", ["200", None, True, 200.0])
def test_a_status_that_is_no_int_is_a_type_error(code):
    with pytest.raises(TypeError):
        Response(status_code=code)


def test_members_of_http_status_are_taken():
    response = Response("x", status_code=HTTPStatus.NOT_FOUND)
    assert response.status_code == 404
    assert response.reason == "Not Found"
    assert sent(response)[0] == "404 Not Found"


def test_the_reason_follows_the_status_and_is_read_only():
    response = Response()
    assert response.reason == "OK"
    response.status_code = 418
    assert response.reason == "I'm a teapot"
    with pytest.raises(AttributeError):
        response.reason = "x"


@pytest.mark.parametrize("content_type", [None, 1, b"text/html"])
def test_a_content_type_that_is_no_text_is_a_type_error(content_type):
    with pytest.raises(TypeError):
        BaseResponse(content_type)


def test_a_response_can_be_sent_once():
    response = Response("x")
    sent(response)
    with pytest.raises(RuntimeError, match="Response can be used only once!"):
        response(lambda *_: None)


def test_base_response_is_empty_and_says_so():
    response = BaseResponse()
    assert (response.data, response.content_length, response.ranges) == (b"", 0, ())
    assert sent(response)[1:] == (dict([POWERED_BY, ("Content-Length", "0")]), b"")
    response = BaseResponse(headers={"Content-Length": "5"})
    assert sent(response)[1:] == ({"Content-Length": "0"}, b"")


# -- control characters are refused by every way in -------------------------

INJECTIONS = ["a\r\nSet-Cookie: x=1", "a\n", "\ra", "a\0b", "a\x0bb", "a\x7f"]

WAYS_IN = {
    "headers=list": lambda v: Response("x", headers=[("X-A", v)]),
    "headers=dict": lambda v: Response("x", headers={"X-A": v}),
    "headers=pair": lambda v: Response("x", headers=("X-A", v)),
    "headers=Headers": lambda v: Response("x", headers=Headers([("X-A", v)])),
    "headers setter": lambda v: setattr(Response("x"), "headers", [("X-A", v)]),
    "headers item": lambda v: Response("x").headers.__setitem__("X-A", v),
    "headers.setdefault": lambda v: Response("x").headers.setdefault("X-A", v),
    "headers.add": lambda v: Response("x").headers.add("X-A", v),
    "add_header": lambda v: Response("x").add_header("X-A", v),
    "add_header keyword": lambda v: Response("x").add_header("X-A", "v", filename=v),
    "add_header name": lambda v: Response("x").add_header(v, "x"),
    "header name": lambda v: Response("x", headers={v: "x"}),
    "content_type": lambda v: Response("x", v),
    "content_type base": lambda v: BaseResponse(v),
    "text charset": lambda v: TextResponse("x", charset=v),
    "json charset": lambda v: JSONResponse({}, charset=v),
    "file content_type": lambda v: FileObjResponse(io.BytesIO(), v),
    "location": lambda v: RedirectResponse("/x" + v),
    "redirect": lambda v: redirect("/x" + v),
    "etag": lambda v: NotModifiedResponse(etag=v),
    "vary": lambda v: NotModifiedResponse(vary=v),
    "content_location": lambda v: NotModifiedResponse(content_location=v),
    "date": lambda v: NotModifiedResponse(date=v),
    "ranges unit": lambda v: Response("x").make_partial([(0, 1)], v),
    "range unit": lambda v: PartialResponse("x").make_range([(0, 1)], v),
    "range full": lambda v: PartialResponse("x").make_range([(0, 1)], "bytes", v),
    "make_response type": lambda v: Response("x", content_type=v),
    "attribute": lambda v: sent(with_type(v)),
}


def with_type(content_type):
    """Return a response whose content type was set after it was made."""
    response = Response("x")
    response.content_type = content_type
    return response


@pytest.mark.parametrize("value", INJECTIONS)
@pytest.mark.parametrize("way", WAYS_IN)
def test_a_header_can_not_be_injected(way, value):
    with pytest.raises(ValueError, match=r"."):
        WAYS_IN[way](value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Response("x", "text/ž"),
        lambda: Response("x", "text/ž", {"X-A": "b"}),
        lambda: with_type("text/ž"),
        lambda: BaseResponse("text/ž"),
        lambda: FileObjResponse(io.BytesIO(b"x"), "text/ž"),
        lambda: GeneratorResponse(iter([b"x"]), "text/ž"),
        lambda: GeneratorResponse((b"x" for _ in "x"), "text/ž"),
    ],
)
def test_a_content_type_is_a_native_string_like_all_values(make):
    """A name of a type that a client has sent is not what a server fails at."""
    assert sent(make())[1]["Content-Type"] == "text/Å¾"
    assert make().content_type == "text/ž"


def test_a_content_type_is_text_that_utf_8_can_say():
    with pytest.raises(ValueError, match="iso-8859-1"):
        Response("x", "text/\ud800")
    with pytest.raises(TypeError):
        sent(with_type(b"text/plain"))


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ž", 'a"', "(a)"])
def test_a_header_name_is_a_token(name):
    with pytest.raises(ValueError, match=r"."):
        Response("x").add_header(name, "x")


def test_an_injection_in_a_handler_tuple_makes_no_response():
    with pytest.raises(ResponseError):
        make_response("x", "text/plain", [("X-A", "a\r\nb: c")])


# -- Response --------------------------------------------------------------


@pytest.mark.parametrize("data", ["žluť", "žluť".encode(), bytearray("žluť".encode())])
def test_text_and_bytes_are_sent(data):
    status, headers, body = sent(Response(data))
    assert (status, body) == ("200 OK", "žluť".encode())
    assert headers == {
        "X-Powered-By": "Poor WSGI for Python",
        "Content-Type": "text/html; charset=utf-8",
        "Content-Length": "6",
    }


def test_an_empty_200_says_that_it_is_empty():
    assert sent(Response())[1]["Content-Length"] == "0"


@pytest.mark.parametrize("data", [None, 1, ["x"], object()])
def test_a_body_that_is_neither_text_nor_bytes_is_refused(data):
    with pytest.raises(TypeError):
        Response(data)


def test_write_appends_and_the_length_is_that_of_the_bytes():
    response = Response(b"Hello")
    assert response.write(b" World") == 6
    response.write(" ž")
    assert response.data == b"Hello World \xc5\xbe"
    assert response.content_length == 14
    _, headers, body = sent(response)
    assert (headers["Content-Length"], body) == ("14", b"Hello World \xc5\xbe")


def test_a_response_is_a_file_for_json_dump():
    response = Response(content_type="application/json")
    json.dump({"a": [1, 2]}, response)
    assert json.loads(sent(response)[2]) == {"a": [1, 2]}


def test_end_of_response_is_a_file():
    body = Response(TEN).__end_of_response__()
    assert isinstance(body, IBytesIO)
    assert body.read() == TEN


def test_ibytesio_gives_a_kilobyte_at_a_time():
    data = b"x" * 2500
    assert [len(block) for block in IBytesIO(data)] == [1024, 1024, 452]
    body = IBytesIO(data)
    assert [len(body.read_kilo()) for _ in range(4)] == [1024, 1024, 452, 0]


@pytest.mark.parametrize("status", [100, 204, 304])
def test_a_status_without_body_sends_none(status, caplog):
    response = Response(b"body", headers={"ETag": '"x"'}, status_code=status)
    _, headers, data = sent(response)
    assert data == b""
    assert headers == {"ETag": '"x"'}


@pytest.mark.parametrize(
    "make",
    [
        lambda **options: Response(b"body", HTML, **options),
        lambda **options: FileObjResponse(io.BytesIO(b"body"), HTML, **options),
        lambda **options: GeneratorResponse([b"body"], HTML, **options),
        lambda **options: GeneratorResponse((b"x" for _ in "x"), HTML, **options),
    ],
)
def test_a_205_has_no_content_and_says_so(make):
    """RFC 9110, 15.3.6"""
    expected = {"Content-Type": HTML, "Content-Length": "0"}
    for headers in ((), {"Content-Length": "4"}):
        response = make(headers=headers, status_code=205)
        assert sent(response) == ("205 Reset Content", expected, b"")
    assert sent(make(status_code=205))[2] == b""


# -- ranges ----------------------------------------------------------------

CUTS = [
    # ranges, body, Content-Range
    ([(0, 4)], b"01234", "bytes 0-4/10"),
    ([(3, 6)], b"3456", "bytes 3-6/10"),
    ([(5, 9)], b"56789", "bytes 5-9/10"),
    ([(8, 15)], b"89", "bytes 8-9/10"),
    ([(0, 0)], b"0", "bytes 0-0/10"),
    ([(9, 9)], b"9", "bytes 9-9/10"),
    ([(0, None)], TEN, "bytes 0-9/10"),
    ([(7, None)], b"789", "bytes 7-9/10"),
    ([(9, None)], b"9", "bytes 9-9/10"),
    ([(None, 1)], b"9", "bytes 9-9/10"),
    ([(None, 2)], b"89", "bytes 8-9/10"),
    ([(None, 10)], TEN, "bytes 0-9/10"),
    ([(None, 20)], TEN, "bytes 0-9/10"),
    ([(0, 10**30)], TEN, "bytes 0-9/10"),
    ([(0, 2), (8, 9)], b"012", "bytes 0-2/10"),
    ([(5, 3), (8, 9)], b"89", "bytes 8-9/10"),
    ([(2, 3), (2, 3)], b"23", "bytes 2-3/10"),
    (((2, 3),), b"23", "bytes 2-3/10"),
    (iter([(2, 3)]), b"23", "bytes 2-3/10"),
    ({(2, 3)}, b"23", "bytes 2-3/10"),
    # one bare pair, also as a set
    ((2, 3), b"23", "bytes 2-3/10"),
    ((None, 3), b"789", "bytes 7-9/10"),
    ((3, None), b"3456789", "bytes 3-9/10"),
    ({None, 3}, b"789", "bytes 7-9/10"),
    ({6, 3}, b"3456", "bytes 3-6/10"),
    ({3}, b"3", "bytes 3-3/10"),
]

UNSATISFIABLE = [[(10, 15)], [(10, None)], [(10**30, None)], [(None, 0)]]


def blocks_of(size):
    return [TEN[i : i + size] for i in range(0, 10, size)]


MAKERS = {
    "response": lambda: Response(TEN),
    "bytesio": lambda: FileObjResponse(io.BytesIO(TEN)),
    "bytesio in the middle": lambda: FileObjResponse(moved(io.BytesIO(b"xyz" + TEN))),
    "pieces of 1": lambda: GeneratorResponse(blocks_of(1), content_length=10),
    "pieces of 3": lambda: GeneratorResponse(blocks_of(3), content_length=10),
    "generator": lambda: GeneratorResponse(
        (block for block in blocks_of(4)), content_length=10
    ),
}


def moved(file):
    file.seek(3)
    return file


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(("ranges", "body", "content_range"), CUTS)
def test_a_range_is_cut_out(maker, ranges, body, content_range):
    response = MAKERS[maker]()
    if not isinstance(ranges, (list, tuple, set)):
        ranges = [(2, 3)]  # an iterator serves once
        response.make_partial(iter(ranges))
    else:
        response.make_partial(ranges)
    assert response.headers["Accept-Ranges"] == "bytes"
    status, headers, data = sent(response)
    assert (status, data) == ("206 Partial Content", body)
    assert headers["Content-Range"] == content_range
    assert headers["Content-Length"] == str(len(body))
    assert "Accept-Ranges" not in headers


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("ranges", UNSATISFIABLE)
def test_a_range_outside_is_416_with_the_size(maker, ranges):
    response = MAKERS[maker]()
    response.make_partial(ranges)
    with pytest.raises(HTTPException) as caught:
        response(lambda *_: pytest.fail("started"))
    answer = caught.value.response
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */10"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert sent(answer)[0].startswith("416 ")


@pytest.mark.parametrize(
    "response",
    [
        lambda: Response(b""),
        lambda: GeneratorResponse([TEN]),
        lambda: StrGeneratorResponse(["0123"]),
        lambda: FileObjResponse(io.BytesIO()),
    ],
)
def test_a_range_of_nothing_or_of_unknown_size_is_416(response):
    response = response()
    response.make_partial([(0, 4)])
    with pytest.raises(HTTPException) as caught:
        response(lambda *_: None)
    assert caught.value.response.status_code == 416


def test_an_existing_content_length_is_rewritten():
    response = Response(TEN, headers={"Content-Length": "10"})
    response.make_partial([(0, 4)])
    assert sent(response)[1]["Content-Length"] == "5"


def test_make_partial_without_ranges_announces_only():
    response = Response(TEN)
    response.make_partial()
    status, headers, data = sent(response)
    assert (status, headers["Accept-Ranges"], data) == ("200 OK", "bytes", TEN)


def test_make_partial_again_replaces_the_ranges():
    response = Response(TEN)
    response.make_partial([(0, 1)])
    response.make_partial([(2, 3)])
    assert response.ranges == ((2, 3),)
    assert sent(response)[2] == b"23"


def test_a_pair_of_two_nones_is_dropped(caplog):
    response = Response(TEN)
    response.make_partial([(None, None), (5, 3)])
    assert response.ranges == ()
    assert len(caplog.records) == 2


def test_an_unknown_unit_sends_everything(caplog):
    response = Response(TEN)
    response.make_partial([(0, 4)], "lines")
    status, headers, data = sent(response)
    assert (status, data) == ("200 OK", TEN)
    assert headers["Accept-Ranges"] == "lines"
    assert headers["Content-Length"] == str(len(TEN))
    assert "Content-Range" not in headers
    assert [r.levelname for r in caplog.records] == ["WARNING"]


def test_only_a_200_can_be_made_partial(caplog):
    response = Response(TEN, status_code=404)
    response.make_partial([(0, 4)])
    assert "Accept-Ranges" not in response.headers
    assert response.ranges == ()
    assert [r.levelname for r in caplog.records] == ["WARNING"]


def test_another_status_drops_the_ranges(caplog):
    response = Response(TEN)
    response.make_partial([(0, 4)])
    response.status_code = 206
    assert response.ranges == ((0, 4),)
    response.status_code = 404
    assert response.ranges == ()
    assert "Accept-Ranges" not in response.headers
    assert sent(response)[2] == TEN
    assert [r.levelname for r in caplog.records] == ["WARNING"]


def test_a_large_range_of_a_file_is_streamed(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(bytes(1_000_000))
    response = FileResponse(path)
    response.make_partial([(1, None)])
    body = response(lambda *_: None)
    sizes = [len(block) for block in body]
    body.close()
    assert sum(sizes) == 999_999
    assert max(sizes) <= 65536


@pytest.mark.parametrize(
    ("ranges", "message", "content_range"),
    [
        ([(0, 4)], None, "bytes 0-4/10"),
        ((0, 4), None, "bytes 0-4/10"),
        ({9, 5}, None, "bytes 5-9/10"),
        ([(0, 0)], None, "bytes 0-0/10"),
        ([(None, 4), (5, 6)], "full range", "bytes 5-6/10"),
        ([(5, 3), (5, 6)], "Inconsistent", "bytes 5-6/10"),
        ([(0, 1), (2, 3)], "one range", "bytes 0-1/10"),
        ([(None, 4)], "full range", None),
        ([], None, None),
    ],
)
def test_make_range_says_which_part_it_is(caplog, ranges, message, content_range):
    response = PartialResponse(b"01234")
    response.make_range(ranges, full=10)
    assert response.headers.get("Content-Range") == content_range
    if message:
        assert message in caplog.text
    else:
        assert not caplog.records
    status, _, data = sent(response)
    assert (status, data) == ("206 Partial Content", b"01234")


def test_make_range_with_a_unit_of_its_own_replaces_the_older_one():
    response = PartialResponse("ž" * 100)
    response.make_range([(0, 1)])
    response.make_range({100, 199}, "unicodes", 200)
    assert response.headers.get_all("Content-Range") == ("unicodes 100-199/200",)
    assert response.headers.get("Content-Length") is None


def test_only_a_206_has_a_content_range(caplog):
    response = Response(TEN)
    response.make_range([(0, 4)])
    assert "Content-Range" not in response.headers
    assert [r.levelname for r in caplog.records] == ["WARNING"]


def test_a_partial_response_is_partial_already(caplog):
    response = PartialResponse(TEN)
    response.make_partial([(0, 4)])
    assert response.status_code == 206
    assert response.ranges == ()
    assert [r.levelname for r in caplog.records] == ["WARNING"]


def test_a_stream_shorter_than_announced_gives_what_there_is():
    response = GeneratorResponse([b"012"], content_length=10)
    response.make_partial([(1, 8)])
    assert sent(response)[2] == b"12"


def test_a_pipe_can_not_be_cut():
    reading, writing = os.pipe()
    os.close(writing)
    response = FileObjResponse(os.fdopen(reading, "rb"))
    response.make_partial([(0, 1)])
    with pytest.raises(HTTPException) as caught:
        response(lambda *_: None)
    assert caught.value.status_code == 416


# -- JSON and text ---------------------------------------------------------


@dataclass
class Point:
    """A dataclass."""

    x: int
    y: object = None


@dataclass
class Shifted(Point):
    """A dataclass with more than fields."""

    origin: ClassVar[int] = 5
    shift: InitVar[int] = 0
    scale: InitVar[int] = field(kw_only=True)

    def __post_init__(self, shift, scale):
        self.x = (self.x + shift) * scale


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (lambda: JSONResponse(), b"null"),
        (lambda: JSONResponse(status_code=201), b"null"),
        (lambda: JSONResponse({"a": 1}), b'{"a": 1}'),
        (lambda: JSONResponse(a=1, b=[None, True]), b'{"a": 1, "b": [null, true]}'),
        (lambda: JSONResponse([]), b"[]"),
        (lambda: JSONResponse(""), b'""'),
        (lambda: JSONResponse(0), b"0"),
        (lambda: JSONResponse("ž"), b'"\\u017e"'),
        (lambda: JSONResponse(float("inf")), b"Infinity"),
        (
            lambda: JSONResponse(Point(1, Point(2))),
            b'{"x": 1, "y": {"x": 2, "y": null}}',
        ),
        (
            lambda: JSONResponse([Shifted(1, shift=2, scale=3)]),
            b'[{"x": 9, "y": null}]',
        ),
        (
            lambda: JSONResponse({"b": 1, "a": 2}, encoder_kwargs={"sort_keys": True}),
            b'{"a": 2, "b": 1}',
        ),
        (
            lambda: JSONResponse(Point(1), encoder_kwargs={"indent": 1}),
            b'{\n "x": 1,\n "y": null\n}',
        ),
        (
            lambda: JSONResponse({1, 2}, encoder_kwargs={"default": sorted}),
            b"[1, 2]",
        ),
    ],
)
def test_json_response_is_what_json_dumps_gives(response, body):
    response = response()
    assert sent(response)[1]["Content-Type"] == "application/json; charset=utf-8"
    assert response.data == body


def test_json_response_takes_an_encoder_of_its_own():
    class Encoder(json.JSONEncoder):
        def default(self, o):
            return repr(o)

    response = JSONResponse({"a": 1j}, encoder_kwargs={"cls": Encoder})
    assert response.data == b'{"a": "1j"}'


@pytest.mark.parametrize("charset", [None, ""])
def test_json_and_text_without_charset(charset):
    assert JSONResponse(charset=charset).content_type == "application/json"
    assert TextResponse("x", charset=charset).content_type == "text/plain"


def test_json_response_takes_a_value_or_keywords():
    with pytest.raises(RuntimeError, match=r"Only one of data and kwargs is allowed\."):
        JSONResponse({"a": 1}, b=2)


def test_json_response_may_forbid_infinity():
    with pytest.raises(ValueError, match="Out of range"):
        JSONResponse(float("inf"), encoder_kwargs={"allow_nan": False})


def test_json_response_of_what_json_can_not_say_is_a_type_error():
    with pytest.raises(TypeError, match="Object of type object"):
        JSONResponse(object())


@pytest.mark.parametrize("value", [{"a": [1, "ž", None, Point(1)]}, [], float("inf")])
@pytest.mark.parametrize(
    "encoders",
    [
        {},
        {"c_make_encoder": None, "encode_basestring_ascii": repr},
        {"c_make_encoder": dict, "encode_basestring_ascii": repr},
        {
            "c_make_encoder": lambda *_: lambda *_: ["wrong"],
            "encode_basestring_ascii": 1,
        },
    ],
)
def test_json_is_the_same_without_the_encoder_in_c(monkeypatch, value, encoders):
    """Other Pythons have none, or make it another way."""
    expected = encode_json(value)
    monkeypatch.setattr(response_module, "_json_encoder", SimpleNamespace(**encoders))
    encoder = response_module._make_json_encoder()
    assert encoder is None
    monkeypatch.setattr(response_module, "_encode", encoder)
    assert encode_json(value) == expected


def test_other_names_are_not_in_the_module():
    with pytest.raises(AttributeError):
        response_module.NO_SUCH_NAME  # noqa: B018


def test_text_response():
    _, headers, body = sent(TextResponse("ž", status_code=201))
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert body == "ž".encode()


# -- files -----------------------------------------------------------------


def test_a_file_object_is_sent_from_its_position_on():
    response = FileObjResponse(moved(io.BytesIO(TEN)))
    assert response.content_length == 7
    assert response.data == b"3456789"
    _, headers, data = sent(response)
    assert data == b"3456789"
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Length"] == "7"


def test_a_real_file_from_its_position_on(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(TEN)
    with path.open("rb") as file:
        file.seek(8)
        assert sent(FileObjResponse(file, "x/y"))[1:] == (
            {**dict([POWERED_BY]), "Content-Type": "x/y", "Content-Length": "2"},
            b"89",
        )
        assert file.closed


@pytest.mark.parametrize(
    "file",
    [
        lambda tmp: io.StringIO("x"),
        lambda tmp: (tmp / "t").open("w+"),
        lambda tmp: (tmp / "b").open("wb"),
        lambda tmp: "a name",
        lambda tmp: None,
    ],
)
def test_what_is_no_readable_binary_file_is_refused(tmp_path, file):
    file = file(tmp_path)
    with pytest.raises(AssertionError):
        FileObjResponse(file)
    if hasattr(file, "close"):
        file.close()


@pytest.mark.skipif(not os.path.isfile("/proc/version"), reason="no /proc")
@pytest.mark.parametrize(
    "make", [FileResponse, lambda p: FileObjResponse(io.FileIO(p))]
)
def test_a_file_of_proc_says_no_size_and_is_sent_whole(make):
    """The kernel says that such files are empty."""
    with open("/proc/version", "rb") as file:
        content = file.read()
    response = make("/proc/version")
    assert (response.data, response.content_length) == (content, 0)
    _, headers, body = sent(response)
    assert body == content
    assert "Content-Length" not in headers


def test_an_empty_file_has_the_size_0(tmp_path):
    (tmp_path / "empty").touch()
    _, headers, body = sent(FileResponse(tmp_path / "empty"))
    assert (headers["Content-Length"], body) == ("0", b"")


def test_a_pipe_has_no_size_and_is_sent_whole():
    reading, writing = os.pipe()
    os.write(writing, TEN)
    os.close(writing)
    response = FileObjResponse(os.fdopen(reading, "rb"))
    assert response.content_length == 0
    assert response.data == b""
    _, headers, data = sent(response)
    assert data == TEN
    assert "Content-Length" not in headers


def test_a_compressed_file_is_sent_unpacked_from_where_it_stands():
    """Its descriptor knows the size of what is packed, which is not said."""
    file = gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(TEN)))
    assert file.read(3) == TEN[:3]
    response = FileObjResponse(file)
    assert (response.data, response.content_length) == (TEN[3:], 0)
    _, headers, data = sent(response)
    assert data == TEN[3:]
    assert "Content-Length" not in headers


class Reader:
    """The least that can be called a file: it reads."""

    def __init__(self, data=TEN):
        self._file = io.BytesIO(data)

    def read(self, size=-1):
        return self._file.read(size)


def test_an_object_with_read_alone_is_a_file():
    response = FileObjResponse(Reader())
    assert response.data == b""
    _, headers, data = sent(response)
    assert data == TEN
    assert "Content-Length" not in headers


def test_a_file_object_without_descriptor_is_measured_by_seeking():
    file = io.BufferedReader(io.BytesIO(TEN))
    file.seek(3)
    response = FileObjResponse(file)
    assert response.content_length == 7
    assert sent(response)[2] == b"3456789"


def test_a_position_behind_the_end_leaves_nothing():
    file = io.BytesIO(TEN)
    file.seek(20)
    _, headers, data = sent(FileObjResponse(file))
    assert (headers["Content-Length"], data) == ("0", b"")


def test_a_closed_file_has_no_data_and_sends_nothing(caplog):
    file = io.BytesIO(TEN)
    response = FileObjResponse(file)
    file.close()
    assert response.data == b""
    assert isinstance(response.__end_of_response__(), IBytesIO)
    assert [r.levelname for r in caplog.records] == ["WARNING", "ERROR"]


def test_exactly_the_announced_bytes_of_a_growing_file_are_sent(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(TEN)
    response = FileResponse(path)
    path.write_bytes(TEN * 3)
    _, headers, data = sent(response)
    assert (headers["Content-Length"], data) == ("10", TEN)


def test_file_response_guesses_the_type_and_tells_when_it_changed(tmp_path):
    path = tmp_path / "page.html"
    path.write_bytes(TEN)
    _, headers, data = sent(FileResponse(path))
    assert data == TEN
    assert headers["Content-Type"] == "text/html"
    assert headers["Accept-Ranges"] == "bytes"
    stat = path.stat()
    expected = int(max(stat.st_mtime, stat.st_ctime))
    assert http_to_time(headers["Last-Modified"]) == expected


def test_file_response_keeps_what_it_is_given(tmp_path):
    path = tmp_path / "x.nothing-known"
    path.write_bytes(TEN)
    headers = {"ETag": '"1"', "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}
    response = FileResponse(str(path), headers=headers)
    assert response.content_type == "application/octet-stream"
    assert dict(response.headers).keys() == {*headers, "Accept-Ranges"}
    assert sent(response)[1]["ETag"] == '"1"'
    assert response.headers["Last-Modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_file_response_with_another_status_has_no_ranges(tmp_path):
    path = tmp_path / "404.html"
    path.write_bytes(TEN)
    status, headers, data = sent(FileResponse(path, status_code=404))
    assert (status, data) == ("404 Not Found", TEN)
    assert "Accept-Ranges" not in headers


@pytest.mark.parametrize("name", ["missing", ".", "fifo"])
def test_what_is_no_file_is_an_os_error(tmp_path, name):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match=r"Could not stat file for reading: '.*'") as err:
        FileResponse(tmp_path / name)
    assert str(tmp_path / name) in str(err.value)


def test_an_unreadable_file_is_an_os_error(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(TEN)
    monkeypatch.setattr("poorwsgi.response.os.access", lambda *_: False)
    with pytest.raises(OSError, match="Could not stat file for reading"):
        FileResponse(path)


def test_a_file_is_closed_if_the_response_can_not_be_made(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(TEN)
    opened = []
    real_open = open

    def noting(*args, **kwargs):
        opened.append(real_open(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr("builtins.open", noting)
    with pytest.raises(ValueError, match="status"):
        FileResponse(path, status_code=999)
    assert [file.closed for file in opened] == [True] * len(opened)


# -- streams ---------------------------------------------------------------


def test_a_generator_is_streamed_without_a_length():
    _, headers, data = sent(GeneratorResponse(iter([b"a", b"b"])))
    assert data == b"ab"
    assert "Content-Length" not in headers


def test_a_known_length_is_announced():
    response = GeneratorResponse([TEN], content_length=10)
    assert response.content_length == 10
    assert sent(response)[1]["Content-Length"] == "10"


def test_foreign_headers_with_their_length_are_kept():
    response = GeneratorResponse(Source(), headers=[("Content-Length", "10")])
    assert sent(response)[1]["Content-Length"] == "10"


def test_the_end_of_a_generator_response_is_a_generator():
    body = GeneratorResponse([b"a"]).__end_of_response__()
    assert hasattr(body, "send")


@pytest.mark.parametrize("generator", [1, None])
def test_what_is_not_iterable_is_refused(generator):
    with pytest.raises(TypeError):
        GeneratorResponse(generator)


def test_text_is_encoded_while_it_is_sent():
    made = []

    def pieces():
        for piece in ("ž", "", "luť"):
            made.append(piece)
            yield piece

    response = StrGeneratorResponse(pieces())
    assert made == []
    assert sent(response)[2] == "žluť".encode()


def test_json_is_encoded_while_it_is_sent():
    response = JSONGeneratorResponse(
        items=(i for i in range(3)), name="ž", point=Point(1), status_code=201
    )
    status, headers, data = sent(response)
    assert status == "201 Created"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(data) == {
        "items": [0, 1, 2],
        "name": "ž",
        "point": {"x": 1, "y": None},
    }


def test_an_error_in_a_generator_reaches_the_server():
    def failing():
        yield b"a"
        raise RuntimeError("broken")

    body = GeneratorResponse(failing())(lambda *_: None)
    with pytest.raises(RuntimeError, match="broken"):
        list(body)


# -- closed exactly once ---------------------------------------------------

STREAMS = {
    "generator": lambda source: GeneratorResponse(source),
    "with length": lambda source: GeneratorResponse(source, content_length=10),
    "partial": lambda source: partial_of(
        GeneratorResponse(source, content_length=10), [(2, 4)]
    ),
    "204": lambda source: GeneratorResponse(source, status_code=204),
    "205": lambda source: GeneratorResponse(source, status_code=205),
    "304": lambda source: GeneratorResponse(
        source, headers={"ETag": '"1"'}, status_code=304
    ),
    "made": lambda source: make_response(source),
}


def partial_of(response, ranges):
    response.make_partial(ranges)
    return response


@pytest.mark.parametrize("read", [0, 1, 100])
@pytest.mark.parametrize("stream", STREAMS)
def test_a_users_iterable_is_closed_once(stream, read):
    """However much of it was read: nothing, a part, all."""
    source = Source(blocks_of(5))
    body = STREAMS[stream](source)(lambda *_: None)
    for _, _ in zip(range(read), body, strict=False):
        pass
    if hasattr(body, "close"):
        body.close()
    assert source.closed == 1


@pytest.mark.parametrize("read", [0, 1, 100])
def test_text_pieces_are_closed_once(read):
    source = Source(["a", "b"])
    body = StrGeneratorResponse(source)(lambda *_: None)
    for _, _ in zip(range(read), body, strict=False):
        pass
    body.close()
    assert source.closed == 1


@pytest.mark.parametrize("stream", STREAMS)
def test_a_generator_of_the_user_runs_its_finally(stream):
    seen = []
    source = counting_generator(blocks_of(5), seen)
    next(source)
    body = STREAMS[stream](source)(lambda *_: None)
    if hasattr(body, "close"):
        body.close()
    assert seen == ["closed"]


FILES = {
    "whole": lambda file: FileObjResponse(file),
    "partial": lambda file: partial_of(FileObjResponse(file), [(2, 4)]),
    "304": lambda file: FileObjResponse(file, None, {"ETag": '"1"'}, 304),
}


@pytest.mark.parametrize("read", [0, 1, 100])
@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_closed_once(kind, read):
    file = CountingFile(TEN)
    body = FILES[kind](file)(lambda *_: None)
    for _, _ in zip(range(read), body, strict=False):
        pass
    if hasattr(body, "close"):
        body.close()
    assert file.count == 1


def refuse(*_):
    raise OSError("the client is gone")


@pytest.mark.parametrize(
    ("start_response", "ranges"), [(refuse, [(0, 1)]), (refuse, []), (len, [(99, 100)])]
)
def test_what_can_not_be_sent_is_closed_once(start_response, ranges):
    file, source = CountingFile(TEN), Source()
    for response in (
        FileObjResponse(file),
        GeneratorResponse(source, content_length=10),
    ):
        response.make_partial(ranges)
        with pytest.raises((OSError, HTTPException)):
            response(start_response)
    assert file.count == source.closed == 1


# -- answers without a body ------------------------------------------------


def test_hooks_can_tell_what_has_no_body_by_its_class():
    """As in PoorWSGI 2.8.1: one class of them all."""
    for response in (NotModifiedResponse(etag='"1"'), Declined()):
        assert isinstance(response, NoContentResponse)
    assert issubclass(EmptyResponse, NoContentResponse)
    assert issubclass(JSONGeneratorResponse, StrGeneratorResponse)


def test_a_default_204_has_no_headers_at_all():
    assert sent(NoContentResponse()) == ("204 No Content", {}, b"")


def test_explicit_headers_of_a_204_are_sent():
    response = NoContentResponse({"Set-Cookie": "a=b", "Content-Type": "text/plain"})
    response.add_header("ETag", '"1"')
    assert sent(response)[1] == {"Set-Cookie": "a=b", "ETag": '"1"'}


def test_no_content_with_another_status_says_that_it_is_empty():
    assert sent(NoContentResponse(status_code=201)) == (
        "201 Created",
        {"Content-Length": "0"},
        b"",
    )


def test_empty_response_is_deprecated():
    with pytest.warns(DeprecationWarning, match="EmptyResponse") as warned:
        response = EmptyResponse()
    assert warned[0].filename == __file__
    assert isinstance(response, NoContentResponse)
    assert response.status_code == 204


def test_declined_answers_nothing(caplog):
    response = Declined()
    response.headers = {"A": "b"}
    response.headers["A"] = "b"
    response.add_header("A", "b")
    assert list(response.headers) == []
    assert list(response(lambda *_: pytest.fail("started"))) == []
    assert [r.levelname for r in caplog.records] == ["WARNING"] * 2


@pytest.mark.parametrize(
    ("location", "sent_as"),
    [
        ("/x?a=b#c", "/x?a=b#c"),
        ("https://example.com/x", "https://example.com/x"),
        ("relative/path", "relative/path"),
        ("/žluť?q=ů", "/%C5%BElu%C5%A5?q=%C5%AF"),
        ("/already%20quoted", "/already%20quoted"),
        # a browser reads these as the URL of another host
        ("//evil.example/x", "/evil.example/x"),
        ("/\\evil.example", "/evil.example"),
        ("\\\\evil.example", "/evil.example"),
        ("///evil.example", "/evil.example"),
        (" //evil.example", "/evil.example"),
        ("/\t/evil.example", "/evil.example"),
        ("\t//evil.example", "/evil.example"),
    ],
)
def test_a_redirect_leads_where_it_says_and_to_no_other_host(location, sent_as):
    response = RedirectResponse(location, message="gone")
    status, headers, data = sent(response)
    assert (status, headers["Location"], data) == ("302 Found", sent_as, b"gone")
    assert headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    ("args", "kwargs", "status"),
    [
        ((), {}, 302),
        ((303,), {}, 303),
        ((True,), {}, 301),
        ((), {"permanent": True}, 301),
        ((), {"status_code": 308}, 308),
    ],
)
def test_redirects_have_a_status(args, kwargs, status):
    assert RedirectResponse("/x", *args, **kwargs).status_code == status


@pytest.mark.parametrize(
    ("date", "header"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"),
        (784111777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (
            datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC),
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ),
        (
            datetime(1994, 11, 6, 9, 49, 37, tzinfo=timezone(timedelta(hours=1))),
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ),
        ("", None),
        (None, None),
    ],
)
def test_a_304_takes_dates_of_all_kinds(date, header):
    headers = sent(NotModifiedResponse(etag='"1"', date=date))[1]
    assert headers.get("Date") == header
    assert headers["ETag"] == '"1"'


def test_a_304_sends_its_validators():
    response = NotModifiedResponse(
        {"Set-Cookie": "a=b"}, etag='W/"1"', content_location="/x", vary="Accept"
    )
    assert sent(response) == (
        "304 Not Modified",
        {
            "Set-Cookie": "a=b",
            "ETag": 'W/"1"',
            "Content-Location": "/x",
            "Vary": "Accept",
        },
        b"",
    )


@pytest.mark.parametrize("name", sorted(NOT_MODIFIED_DENY))
def test_a_304_does_not_describe_a_body(caplog, name):
    headers = sent(NotModifiedResponse({name: "1", "ETag": '"1"'}))[1]
    assert headers == {"ETag": '"1"'}
    assert "representation" in caplog.text


def test_a_304_without_any_validator_warns(caplog):
    sent(NotModifiedResponse())
    assert "Missing any required" in caplog.text


@pytest.mark.parametrize("name", sorted(NOT_MODIFIED_ONE_OF_REQUIRED))
def test_a_304_with_one_validator_does_not_warn(caplog, name):
    sent(NotModifiedResponse({name: "1"}))
    assert not caplog.records


# -- exceptions ------------------------------------------------------------


def test_http_exception_keeps_status_and_keywords():
    error = HTTPException(401, realm="r")
    assert error.args == (401, {"realm": "r"})
    assert (error.status_code, error.response) == (401, None)


def test_http_exception_carries_a_response():
    response = Response("x", status_code=404)
    error = HTTPException(response)
    assert error.args == (response, {})
    assert error.status_code == 404
    assert error.response is error.make_response() is response


@pytest.mark.parametrize("arg", ["404", None, True, 4.4, Response])
def test_http_exception_of_anything_else_is_refused(arg):
    with pytest.raises(AssertionError):
        HTTPException(arg)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (state.DECLINED, Declined),
        (200, EmptyResponse),
        (204, NoContentResponse),
        (404, type(None)),
        (500, type(None)),
        (HTTPStatus.NOT_FOUND, type(None)),
    ],
)
def test_http_exception_makes_a_response_of_few_statuses(recwarn, status, kind):
    assert type(HTTPException(status).make_response()) is kind
    assert not recwarn.list


@pytest.mark.parametrize("arg", [404, Response("x"), HTTPStatus.GONE])
def test_abort_raises(arg):
    with pytest.raises(HTTPException) as caught:
        abort(arg, error="why")
    assert caught.value.args == (arg, {"error": "why"})


def test_redirect_raises():
    with pytest.raises(HTTPException) as caught:
        redirect("/x", 303, "see", {"A": "b"})
    response = caught.value.response
    assert (response.status_code, response.data) == (303, b"see")
    assert dict(response.headers) == {"A": "b", "Location": "/x"}


def test_redirect_takes_the_older_spelling_of_message():
    with pytest.raises(HTTPException) as caught:
        redirect("/x", text="see")
    assert caught.value.response.data == b"see"


# -- values of handlers ----------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind", "content_type", "body"),
    [
        ("ž", Response, "text/html; charset=utf-8", "ž".encode()),
        (b"b", Response, "text/html; charset=utf-8", b"b"),
        (bytearray(b"b"), Response, "text/html; charset=utf-8", b"b"),
        (memoryview(b"b"), Response, "text/html; charset=utf-8", b"b"),
        ("", Response, "text/html; charset=utf-8", b""),
        ({"a": 1}, JSONResponse, "application/json; charset=utf-8", b'{"a": 1}'),
        ({}, JSONResponse, "application/json; charset=utf-8", b"{}"),
        ([], JSONResponse, "application/json; charset=utf-8", b"[]"),
        ([1, 2], JSONResponse, "application/json; charset=utf-8", b"[1, 2]"),
        (["a"], JSONResponse, "application/json; charset=utf-8", b'["a"]'),
        (
            Point(1),
            JSONResponse,
            "application/json; charset=utf-8",
            b'{"x": 1, "y": null}',
        ),
        ([b"a", b"b"], GeneratorResponse, "text/html; charset=utf-8", b"ab"),
        (iter([b"a"]), GeneratorResponse, "text/html; charset=utf-8", b"a"),
        (map(bytes, [[65]]), GeneratorResponse, "text/html; charset=utf-8", b"A"),
        (None, NoContentResponse, None, b""),
    ],
)
def test_a_value_becomes_the_response_of_its_type(data, kind, content_type, body):
    response = make_response(data)
    assert type(response) is kind
    _, headers, sent_body = sent(response)
    assert (headers.get("Content-Type"), sent_body) == (content_type, body)


class OldIterable:
    """Iterable by the protocol from before __iter__."""

    def __getitem__(self, i):
        return (b"a", b"b")[i]


def test_the_old_iteration_protocol_is_one():
    assert sent(make_response(OldIterable()))[2] == b"ab"


@pytest.mark.parametrize(
    "data", [1, 1.5, True, object(), len, int, asyncio.sleep, Response("x")]
)
def test_what_is_not_iterable_makes_no_response(data):
    with pytest.raises(ResponseError) as caught:
        make_response(data)
    assert str(caught.value) == (
        "Returned data must by: <bytes|str|dict|list|iterable[bytes]>, <str>, "
        "<Headers|None>, <int>"
    )


@pytest.mark.parametrize(
    "args",
    [
        ("x", 1),
        ("x", "text/plain", 5),
        ("x", "text/plain", None, "200"),
        ("x", "text/plain", None, 999),
        ({"a": object()},),
        ("\ud800",),
    ],
)
def test_a_failure_is_a_response_error_that_shows_the_value(caplog, args):
    """Whoever answers the error logs it, once (see test_misuse)."""
    with pytest.raises(ResponseError) as caught:
        make_response(*args)
    assert caught.value.__cause__ is not None
    assert repr(args[0])[:20] in caught.value.__notes__[0]
    assert caplog.records == []


def test_none_is_204_but_an_explicit_status_is_kept():
    assert make_response(None).status_code == 204
    assert make_response(None, status_code=201).status_code == 201
    response = make_response(None, headers={"A": "b"})
    assert sent(response) == ("204 No Content", {"A": "b"}, b"")


@pytest.mark.parametrize(
    ("value", "status", "headers", "body"),
    [
        (("x",), 200, {}, b"x"),
        (("x", "text/plain"), 200, {"Content-Type": "text/plain"}, b"x"),
        (("x", "text/plain", {"A": "b"}), 200, {"A": "b"}, b"x"),
        (("x", "text/plain", ("A", "b")), 200, {"A": "b"}, b"x"),
        (("x", "text/plain", (("A", "b"),)), 200, {"A": "b"}, b"x"),
        (("x", "text/plain", None, 201), 201, {}, b"x"),
        (("x", 400), 400, {"Content-Type": "text/html; charset=utf-8"}, b"x"),
        (("x", HTTPStatus.CREATED), 201, {}, b"x"),
        (("x", 201, {"A": "b"}), 201, {"A": "b"}, b"x"),
        (([], 201), 201, {"Content-Type": "application/json; charset=utf-8"}, b"[]"),
        (
            ({"a": 1}, "ignored/type", {"A": "b"}, 201),
            201,
            {"A": "b", "Content-Type": "application/json; charset=utf-8"},
            b'{"a": 1}',
        ),
        ((None, "", None, 201), 201, {}, b""),
        ((iter([b"a"]), "text/plain"), 200, {"Content-Type": "text/plain"}, b"a"),
        ((iter([b"a"]), "text/plain", ()), 200, {"Content-Type": "text/plain"}, b"a"),
    ],
)
def test_a_tuple_is_data_and_its_attributes(value, status, headers, body):
    response = to_response(value)
    assert response.status_code == status
    _, sent_headers, data = sent(response)
    assert data == body
    assert sent_headers.items() >= headers.items()


@pytest.mark.parametrize(
    "value",
    [
        (),
        ("x", "text/plain", None, 200, "more"),
        ("x", 200, None, "more"),
        ("x", True),
        12345,
    ],
)
def test_a_value_that_can_not_be_used_is_a_response_error(value):
    with pytest.raises(ResponseError):
        to_response(value)


def test_a_response_is_its_own_response():
    response = Response("x")
    assert to_response(response) is response
