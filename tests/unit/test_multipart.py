"""The multipart decoder: bytes in, events out, whatever is in the bytes."""

import multipart as pypi_multipart
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from poorwsgi.multipart import (
    END,
    MultipartDecoder,
    Part,
    parse_options,
    safe_filename,
    valid_boundary,
)
from poorwsgi.state import BodyError, BodyTooLargeError

BOUNDARY = b"----WebKitFormBoundaryABC"


def part(headers, content=b""):
    if isinstance(headers, str):
        headers = headers.encode()
    return b"--" + BOUNDARY + b"\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


def field(name, content):
    return part(f'Content-Disposition: form-data; name="{name}"', content)


def file(name, filename, content, content_type="application/octet-stream"):
    return part(
        f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        f"Content-Type: {content_type}",
        content,
    )


CLOSE = b"--" + BOUNDARY + b"--\r\n"


def cut(body, size):
    return [body[start : start + size] for start in range(0, len(body), size)]


def decode(chunks, boundary=BOUNDARY, **limits):
    """Return (name, filename, content) of each part; content None if nested."""
    decoder = MultipartDecoder(boundary, **limits)
    parts = []
    stack = []
    for chunk in chunks:
        for event in decoder.receive(chunk):
            if isinstance(event, Part):
                content = None if event.is_multipart else b""
                stack.append([event.name, event.filename, content])
                parts.append(stack[-1])
            elif event is END:
                stack.pop()
            else:
                assert event  # an event without bytes is of no use
                stack[-1][2] += event
    decoder.close()
    assert not stack
    return [tuple(item) for item in parts]


FORM = (
    b"preamble\r\nof two lines\r\n"
    + field("a", b"text")
    + field("b", b"")
    + file("c", "x.bin", b"\r\n--\r\n----WebKitFormBoundaryAB\r\n-\r\n")
    + field("d", b"\r\n--" + BOUNDARY + b"D not this one\r\n\r\n\r")
    + CLOSE
    + b"epilogue\r\n"
    + field("e", b"never seen")
)
FORM_PARTS = [
    ("a", None, b"text"),
    ("b", None, b""),
    ("c", "x.bin", b"\r\n--\r\n----WebKitFormBoundaryAB\r\n-\r\n"),
    ("d", None, b"\r\n--" + BOUNDARY + b"D not this one\r\n\r\n\r"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 100, 4096])
def test_where_the_network_cuts_the_body_does_not_matter(size):
    assert decode(cut(FORM, size)) == FORM_PARTS


FEW_BYTES = b"-" * 27 + b"1029384756"


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_what_the_boundary_looks_like_does_not_matter(size):
    body = FORM.replace(BOUNDARY, FEW_BYTES)
    expected = [
        (name, filename, content.replace(BOUNDARY, FEW_BYTES))
        for name, filename, content in FORM_PARTS
    ]
    assert decode(cut(body, size), FEW_BYTES) == expected


def test_two_pieces_cut_at_every_byte():
    for position in range(len(FORM) + 1):
        assert decode([FORM[:position], FORM[position:]]) == FORM_PARTS


def test_three_pieces_around_every_delimiter():
    body = field("a", b"x") + CLOSE
    for first in range(len(body)):
        for second in range(first, min(first + 8, len(body))):
            pieces = [body[:first], body[first:second], body[second:]]
            assert decode(pieces) == [("a", None, b"x")]


def test_any_buffer_is_taken():
    assert decode([bytearray(FORM[:99]), memoryview(FORM)[99:]]) == FORM_PARTS


CONTENTS = [
    b"",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"--",
    b"\r\n--",
    b"\r\n--" + BOUNDARY[:-1],
    b"\n--" + BOUNDARY + b"\n",
    b"\r\n--" + BOUNDARY + b"-",
    b"\r\n--" + BOUNDARY + b"x--",
    b"\r\n--" + BOUNDARY + b" \t x",
    b"\r\n--" + BOUNDARY + b"\r",
    b"\r\n--" + BOUNDARY + b"\n",
    b"\r\n --" + BOUNDARY + b"\r\n",
    b"\r\r\r\n\n\n-" * 50,
    bytes(range(256)),
]


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("size", [1, 13, 4096])
def test_bytes_of_a_part_are_exact(content, size):
    body = file("f", "x", content) + field("z", b"1") + CLOSE
    assert decode(cut(body, size)) == [("f", "x", content), ("z", None, b"1")]


@pytest.mark.parametrize("padding", [b"", b" ", b"\t ", b" " * 200])
@pytest.mark.parametrize("size", [1, 4096])
def test_blanks_may_stand_behind_a_boundary(padding, size):
    body = (field("a", b"1") + field("b", b"2") + CLOSE).replace(
        BOUNDARY + b"\r\n", BOUNDARY + padding + b"\r\n"
    )
    assert decode(cut(body, size)) == [("a", None, b"1"), ("b", None, b"2")]


@pytest.mark.parametrize("size", [1, 4096])
def test_a_part_may_end_with_its_headers(size):
    """RFC 2046, 5.1.1: the blank line is the CRLF of the delimiter then."""
    body = (
        b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n--x\r\n\r\n--x\r\n"
        b"\r\nno headers\r\n--x--"
    )
    assert decode(cut(body, size), b"x") == [
        ("a", None, b""),
        (None, None, b""),
        (None, None, b"no headers"),
    ]


NESTED = (
    field("before", b"1")
    + part(
        'Content-Disposition: form-data; name="files"\r\n'
        "Content-Type: multipart/mixed; boundary=inner",
        b"--inner\r\nContent-Disposition: file; filename=a.txt\r\n\r\nA\r\n"
        b"--inner\r\nContent-Disposition: file; filename=b.txt\r\n\r\nB\r\n--inner--",
    )
    + field("after", b"2")
    + CLOSE
)


@pytest.mark.parametrize("size", [1, 10, 4096])
def test_parts_of_parts_come_inside_their_part(size):
    assert decode(cut(NESTED, size)) == [
        ("before", None, b"1"),
        ("files", None, None),
        (None, "a.txt", b"A"),
        (None, "b.txt", b"B"),
        ("after", None, b"2"),
    ]


def test_an_uploaded_file_that_is_multipart_itself_stays_a_file():
    body = file("f", "page.mhtml", b"--i\r\n", "multipart/related") + CLOSE
    assert decode([body]) == [("f", "page.mhtml", b"--i\r\n")]


BAD = [
    (b"", "closing boundary"),
    (b"no boundary at all", "closing boundary"),
    (CLOSE.replace(b"\r\n", b"")[:-1], "closing boundary"),
    (field("a", b"1"), "closing boundary"),
    (b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data\r\n", "closing"),
    (part("no colon here") + CLOSE, "bad header"),
    (part("Bad Name: x") + CLOSE, "bad header"),
    (part(": x") + CLOSE, "bad header"),
    (b"x" * 66000 + b"\r\n" + CLOSE, "first 64 KiB"),
    (part("Content-Type: multipart/mixed") + CLOSE, "Invalid boundary"),
    (
        part("Content-Type: multipart/mixed; boundary=i", b"--i\r\n\r\nx") + CLOSE,
        "closing boundary",
    ),
    (
        part(
            "Content-Type: multipart/mixed; boundary=i",
            b"--i\r\nContent-Type: multipart/mixed; boundary=j\r\n\r\n--j--\r\n--i--",
        )
        + CLOSE,
        "nested too deeply",
    ),
    (
        part("Content-Disposition: form-data; name*=\"x-no-charset''a\"") + CLOSE,
        "charset",
    ),
]


@pytest.mark.parametrize(("body", "message"), BAD)
@pytest.mark.parametrize("size", [1, 70000])
def test_what_is_no_form_is_refused(body, message, size):
    with pytest.raises(BodyError, match=message) as caught:
        decode(cut(body, size))
    assert caught.value.status_code == 400


def test_every_cut_end_is_refused():
    """A body that ends early is never passed on as if it were whole."""
    body = field("a", b"1") + file("b", "x", b"2") + b"--" + BOUNDARY + b"--"
    for end in range(len(body)):
        with pytest.raises(BodyError):
            decode([body[:end]])


@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_limits_name_their_setting_and_status(size):
    many = field("a", b"1") * 11 + CLOSE
    assert len(decode(cut(many, size), max_parts=11)) == 11
    with pytest.raises(BodyTooLargeError, match="max_form_parts = 10"):
        decode(cut(many, size), max_parts=10)
    long = part("X-Long: " + "x" * 600) + CLOSE
    assert decode(cut(long, size), max_header_size=608)
    with pytest.raises(BodyError, match="max_part_header_size = 607") as caught:
        decode(cut(long, size), max_header_size=607)
    assert caught.value.status_code == 431
    endless = b"--" + BOUNDARY + b"\r\n" + b"X-A: b\r\n" * 2000
    with pytest.raises(BodyError, match="max_part_header_size"):
        decode(cut(endless, size))


def test_parts_of_parts_are_counted_as_well():
    with pytest.raises(BodyTooLargeError):
        decode([NESTED], max_parts=4)
    assert len(decode([NESTED], max_parts=5)) == 5


def test_little_is_held_back():
    """A block without the beginning of a delimiter is passed on whole."""
    decoder = MultipartDecoder(BOUNDARY)
    decoder.receive(file("f", "x", b"")[:-2])
    for block in (b"x" * 1000, b"a\r\nb" * 250, b"\r" * 999 + b"x"):
        assert decoder.receive(block) == [block]
    block = b"y" * 500
    assert decoder.receive(block + b"\r\n--" + BOUNDARY[:5]) == [block]


NAMES = [
    # Content-Disposition                              name            filename
    ('form-data; name="a"; filename="b.txt"', "a", "b.txt"),
    ("form-data; name=a; filename=b.txt", "a", "b.txt"),
    ('FORM-DATA; NAME="a"; FileName="b.txt"', "a", "b.txt"),
    ('form-data ; name = "a" ; filename = "b.txt"', "a", "b.txt"),
    ('form-data; filename="b.txt"; name="a"', "a", "b.txt"),
    ('form-data; name="a"; filename=""', "a", ""),
    ('form-data; name="a"', "a", None),
    ('form-data; name=""', "", None),
    ("form-data", None, None),
    ("", None, None),
    # Chrome, Firefox and Safari escape three characters, and no others.
    ('form-data; name="a%22b"; filename="c%22d.txt"', 'a"b', 'c"d.txt'),
    ('form-data; name="a%0D%0Ab"; filename="c%0D%0Ad"', "a\r\nb", "cd"),
    ('form-data; name="100%"; filename="50%25.txt"', "100%", "50%25.txt"),
    # curl before 7.81, and everybody who reads RFC 2183, uses backslashes.
    (r'form-data; name="a\"b"; filename="c\"d\\e.txt"', 'a"b', "e.txt"),
    (r'form-data; name="a"; filename="x\y\z.txt"', "a", "z.txt"),
    (r'form-data; name="a"; filename="C:\temp\é.txt"', "a", "é.txt"),
    ('form-data; name="a"; filename="x;y=z.txt"', "a", "x;y=z.txt"),
    ('form-data; name="a"; filename="../../etc/passwd"', "a", "passwd"),
    ('form-data; name="a"; filename=".."', "a", "upload"),
    ('form-data; name="a"; filename="dir/"', "a", "upload"),
    ('form-data; name="é"; filename="😀 č.txt"', "é", "😀 č.txt"),
    # filename* alone is read, it never replaces filename.
    ("form-data; name=a; filename*=UTF-8''%e2%82%ac.txt", "a", "€.txt"),
    ("form-data; name=a; filename*=utf-8'en'..%2fx.txt", "a", "x.txt"),
    ("form-data; name=a; filename*=iso-8859-2''%be.txt", "a", "ž.txt"),
    ("form-data; name=a; filename=b; filename*=UTF-8''c", "a", "b"),
    ("form-data; name=a; filename*=UTF-8''c; filename=b", "a", "b"),
    ("form-data; name=a; filename*=plain.txt", "a", "plain.txt"),
    ('form-data; name="a"; name="b"', "a", None),
    ('form-data; name="a', '"a', None),
    ('form-data; name="a"; x; filename="b"', "a", "b"),
]


@pytest.mark.parametrize(("line", "name", "filename"), NAMES)
def test_names_as_clients_send_them(line, name, filename):
    headers = f"Content-Disposition: {line}" if line else "X-Other: 1"
    expected = (name, filename, b"x")
    assert decode([part(headers, b"x") + CLOSE]) == [expected]


def test_headers_are_there_by_lower_case_name():
    decoder = MultipartDecoder(b"x")
    (event,) = decoder.receive(
        b"--x\r\nContent-Disposition: form-data;\r\n name=a\r\nX-Two:\t1 \r\nx-two: 2"
        b"\r\nContent-Type: Text/HTML; Charset=UTF-8\r\n"
        b"Content-Length: 7\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    assert event.headers == {
        "content-disposition": "form-data; name=a",
        "x-two": "1",
        "content-type": "Text/HTML; Charset=UTF-8",
        "content-length": "7",
        "content-transfer-encoding": "base64",
    }
    assert event.content_type == "text/html"
    assert event.type_options == {"charset": "UTF-8"}
    assert event.disposition_options == {"name": "a"}
    # They steer nothing (RFC 7578, 4.7 and 4.8): the bytes stay as they are.
    assert decoder.receive(b"aGVsbG8=\r\n--x--") == [b"aGVsbG8=", END]


def test_plain_headers_say_the_same_as_parsed_ones():
    fast = Part('Content-Disposition: form-data; name="a"; filename="b"')
    slow = Part('Content-Disposition:  form-data; name="a"; filename="b"')
    for attribute in ("name", "filename", "content_type", "disposition_options"):
        assert getattr(fast, attribute) == getattr(slow, attribute)
    assert fast.headers == slow.headers


BOUNDARIES = [
    ("x", True),
    (b"x", True),
    ("a b", True),
    ("'()+_,-./:=?", True),
    ("~" * 201, True),
    ("~" * 202, False),
    ("", False),
    (" ", False),
    ("x ", False),
    ("x\n", False),
    ("x\x7f", False),
    ("x\0y", False),
    ("č", False),
]


@pytest.mark.parametrize(("boundary", "expected"), BOUNDARIES)
def test_boundaries(boundary, expected):
    assert valid_boundary(boundary) is expected
    if not expected:
        with pytest.raises(BodyError, match="Invalid boundary"):
            MultipartDecoder(boundary)


FILENAMES = [
    ("x.txt", "x.txt"),
    ("", ""),
    ("a/b/c.txt", "c.txt"),
    (r"a\b\c.txt", "c.txt"),
    (r"a/b\c.txt", "c.txt"),
    ("/", "upload"),
    (".", "upload"),
    ("..", "upload"),
    ("../..", "upload"),
    (" .. ", "upload"),
    ("a/..", "upload"),
    ("\0", "upload"),
    ("a\0b\n\x7f\x85c", "abc"),
    ("..\0", "upload"),
    (".htaccess", ".htaccess"),
    ("😀 č.txt", "😀 č.txt"),
    ("x" * 2000, "x" * 1024),
    ("č" * 600, "č" * 512),
    ("x" + "č" * 600, "x" + "č" * 511),
]


@pytest.mark.parametrize(("name", "expected"), FILENAMES)
def test_file_names_are_the_last_component_cleaned(name, expected):
    assert safe_filename(name) == expected


@given(st.text())
def test_a_file_name_never_leaves_its_directory(name):
    safe = safe_filename(name)
    assert bool(safe) == bool(name)
    assert safe not in (".", "..")
    assert not set(safe) & set("/\\\0\r\n")
    assert len(safe.encode("utf-8", "replace")) <= 1024


@given(st.text(max_size=60))
def test_options_of_any_text_are_strings(text):
    main, options = parse_options(text)
    assert isinstance(main, str)
    assert all(isinstance(value, str) for value in options.values())


# -- against others -----------------------------------------------------------

FRAGMENTS = [
    b"\r", b"\n", b"\r\n", b"-", b"--", b"--x", b"\r\n--x", b"\r\n--x\r\n",
    b"\r\n--x--", b"x", b" ", b"text", b"\r\n\r\n", bytes(9),
    b'Content-Disposition: form-data; name="a"', b"Content-Type: text/plain",
]  # fmt: skip


class Model:
    """Six obvious lines: the body as the grammar draws it, whole and slow."""

    def parts(self, body, boundary):
        import re

        delimiter = rb"\r\n--" + re.escape(boundary) + rb"(--|[ \t]{0,256}\r\n)"
        pieces = re.split(delimiter, b"\r\n" + body)
        contents = []
        for end, content in zip(pieces[1::2], pieces[2::2], strict=True):
            if end == b"--":
                return contents
            contents.append(content)
        return None


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=8), max_size=4),
    st.integers(1, 40),
)
def test_contents_are_those_of_the_grammar(contents, size):
    """However the content looks like a delimiter, and wherever it is cut."""
    head = b'Content-Disposition: form-data; name="n"\r\n\r\n'
    body = b"".join(b"--x\r\n" + head + b"".join(c) + b"\r\n" for c in contents)
    body += b"--x--"
    expected = Model().parts(body, b"x")
    if expected is None:  # a delimiter right behind another one
        with pytest.raises(BodyError):
            decode(cut(body, size), b"x")
        return
    # Else the content has made parts with other headers.
    assume(all(part.startswith(head) for part in expected))
    expected = [("n", None, part[len(head) :]) for part in expected]
    assert decode(cut(body, size), b"x") == expected


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters='%\\"/'),
    min_size=1,
    max_size=20,
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(TEXT, st.binary(max_size=200)), max_size=5), st.integers(1, 50)
)
def test_forms_are_read_as_by_the_multipart_package(fields, size):
    body = b"".join(field(name, content) for name, content in fields) + CLOSE
    parser = pypi_multipart.PushMultipartParser(BOUNDARY)
    expected = []
    for event in (*parser.parse(body), *parser.parse(b"")):
        if isinstance(event, pypi_multipart.MultipartSegment):
            expected.append([event.name, event.filename, b""])
        elif event:
            expected[-1][2] += event
    assert decode(cut(body, size)) == [tuple(item) for item in expected]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(TEXT, st.binary(max_size=200)), max_size=5))
def test_forms_are_read_as_by_werkzeug(fields):
    from werkzeug.sansio.multipart import Data, Field
    from werkzeug.sansio.multipart import MultipartDecoder as WerkzeugDecoder

    body = b"".join(field(name, content) for name, content in fields) + CLOSE
    decoder = WerkzeugDecoder(BOUNDARY)
    decoder.receive_data(body)
    decoder.receive_data(None)
    expected = []
    while type(event := decoder.next_event()).__name__ != "Epilogue":
        if isinstance(event, Field):
            expected.append([event.name, None, b""])
        elif isinstance(event, Data):
            expected[-1][2] += event.data
    assert decode([body]) == [tuple(item) for item in expected]


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXT, max_size=5))
def test_forms_are_read_as_by_the_email_package(contents):
    """Where a mail and a form agree: the content is lines of text."""
    from email.parser import BytesParser

    body = b"".join(
        part(
            'Content-Disposition: form-data; name="n"\r\nContent-Type: text/plain',
            content.encode(),
        )
        for content in contents
    )
    head = b"Content-Type: multipart/form-data; boundary=" + BOUNDARY + b"\r\n\r\n"
    message = BytesParser().parsebytes(head + body + CLOSE)
    payload = message.get_payload()
    parts = [] if isinstance(payload, str) else payload
    expected = [("n", None, item.get_payload(decode=True)) for item in parts]
    assert decode([body + CLOSE]) == expected


# -- cost ---------------------------------------------------------------------


def calls(chunks, boundary=BOUNDARY):
    """Count the Python calls of decoding; a time would not be repeatable."""
    import sys

    count = 0

    def profile(*_):
        nonlocal count
        count += 1

    decoder = MultipartDecoder(boundary)
    sys.setprofile(profile)
    try:
        for chunk in chunks:
            decoder.receive(chunk)
    finally:
        sys.setprofile(None)
    return count


PATTERNS = [b"\0", b"\r", b"\r\n", b"\r\n-", b"\r\n--", b"\r\n--" + BOUNDARY[:-1], b"-"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_cost_of_content_does_not_depend_on_its_bytes(pattern):
    content = (pattern * 66000)[:65536]
    assert calls([file("f", "x", content) + CLOSE]) < 200
    small = calls(cut(file("f", "x", content[:1000]) + CLOSE, 1))
    large = calls(cut(file("f", "x", content[:4000]) + CLOSE, 1))
    assert large < small * 5
