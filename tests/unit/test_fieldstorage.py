"""Forms: what users get, where the content is kept, what is refused."""

import errno
import gc
import io
import os
import pathlib
import tempfile
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poorwsgi.fieldstorage import (
    BLOCK_SIZE,
    FieldStorage,
    FieldStorageInterface,
    FieldStorageParser,
    FormLimits,
    MultipartForm,
    UrlencodedForm,
    parse_form,
    parse_multipart,
    parse_short_multipart,
    write_all,
)
from poorwsgi.state import BodyError, BodyTooLargeError

TYPE = "multipart/form-data; boundary=x"


def part(name, content, filename=None, extra=""):
    line = f'--x\r\nContent-Disposition: form-data; name="{name}"'
    if filename is not None:
        line += f'; filename="{filename}"'
    return f"{line}{extra}\r\n\r\n".encode() + content + b"\r\n"


def parse(body, content_type=TYPE, close=b"--x--\r\n", **options):
    if content_type == TYPE:
        body += close
    headers = {"content-type": content_type, "content-length": str(len(body))}
    return FieldStorageParser(io.BytesIO(body), headers, **options).parse()


def open_files():
    return len(os.listdir("/proc/self/fd"))


# -- both kinds of forms offer the same ---------------------------------------

URLENCODED = b"a=1&b=x&a=2"
MULTIPART = part("a", b"1") + part("b", b"x") + part("a", b"2")


@pytest.fixture(params=["urlencoded", "listed", "multipart", "by hand"])
def form(request):
    if request.param == "multipart":
        return parse(MULTIPART)
    if request.param == "by hand":
        form = FieldStorage()
        form.list = [FieldStorage(*pair) for pair in (("a", "1"), ("b", "x"))]
        assert form.getvalue("a") == "1"
        form.list.append(FieldStorage("a", "2"))
        return form
    form = parse_form(URLENCODED)
    if request.param == "listed":
        assert len(form.list) == 3
    return form


def test_values_by_name(form):
    assert form.getvalue("a") == ["1", "2"]
    assert form.getvalue("a", func=int) == [1, 2]
    assert form.getvalue("b") == "x"
    assert form.getvalue("b", func=str.upper) == "X"
    assert form.getvalue("c") is None
    assert form.getvalue("c", "d", func=int) == "d"
    assert form.get("a") == ["1", "2"]
    assert form.get("c", 0) == 0
    assert form.getfirst("a") == "1"
    assert form.getfirst("a", func=int) == 1
    assert form.getfirst("c", "d", int) == "d"
    assert form.getlist("a", func=int) == [1, 2]
    assert form.getlist("b") == ["x"]
    assert form.getlist("c") == []
    assert form.getlist("c", ["d"], int) == ["d"]


def test_fields_by_name(form):
    assert isinstance(form, FieldStorage)
    assert [field.value for field in form["a"]] == ["1", "2"]
    assert form["b"].value == "x"
    assert form["b"].name == "b"
    assert form["b"].filename is None
    with pytest.raises(KeyError):
        form["c"]
    assert [field.name for field in form.list] == ["a", "b", "a"]


def test_names(form):
    assert "a" in form
    assert "c" not in form
    assert len(form) == 2
    assert list(form) == ["a", "b"]
    assert list(form.keys()) == ["a", "b"]
    assert form.keys() == {"a", "b"}
    assert form


@pytest.mark.parametrize("name", ["getfirst", "getlist"])
def test_fce_is_the_old_name_of_func(form, name):
    with pytest.warns(DeprecationWarning, match="func"):
        value = getattr(form, name)("b", fce=str.upper)
    assert value == ("X" if name == "getfirst" else ["X"])


def test_interface_works_on_plain_values():
    class Values(dict, FieldStorageInterface):
        getvalue = FieldStorageInterface.getvalue

    values = Values(a=["1", "2"], b="3", e=[])
    assert values.getvalue("a", func=int) == [1, 2]
    assert values.getvalue("b", func=int) == 3
    assert values.getvalue("c", 4, int) == 4
    assert values.getfirst("a", func=int) == 1
    assert values.getfirst("e", 5) == 5
    assert values.getlist("b", func=int) == [3]
    assert values.getlist("c") == []


def test_an_empty_field_has_nothing():
    field = FieldStorage()
    assert not field
    assert field.value is None
    assert field.file is None
    assert field.list == []
    assert "x" not in field
    with pytest.raises(KeyError):
        field["x"]
    assert FieldStorage("a", "b")
    assert not FieldStorage("a", "")
    assert repr(FieldStorage("a", "b")) == "FieldStorage('a', 'b')"


def test_a_form_can_be_made_by_hand():
    form = FieldStorage()
    form.list.append(FieldStorage("a", "1"))
    assert form
    assert form["a"].value == "1"
    assert form["a"].list == []
    assert form.value is form.list


@pytest.mark.parametrize("body", [b"", b"a="])
def test_a_form_without_fields_has_no_value(body):
    form = parse_form(body)
    assert not form
    assert form.list == []
    assert form.value is None
    assert repr(form) == "FieldStorage(None, None)"


def test_a_changed_list_of_an_urlencoded_form_counts():
    form = parse_form(b"a=1")
    form.list = [FieldStorage("b", "2")]
    assert form.getvalue("b") == "2"
    assert "a" not in form


# -- urlencoded ---------------------------------------------------------------


def test_blank_values_are_kept_as_empty_text():
    """D66: 2.8.1 made None of them."""
    form = parse(b"a=&b", "application/x-www-form-urlencoded", keep_blank_values=1)
    assert form.getvalue("a") == ""
    assert form.getlist("b") == [""]
    assert form["a"].value == ""
    assert parse(b"a=", "application/x-www-form-urlencoded").getvalue("a") is None


def test_charset_of_the_form_is_honoured():
    """D73"""
    content_type = "application/x-www-form-urlencoded; charset=iso-8859-2"
    assert parse(b"a=%be", content_type).getvalue("a") == "ž"
    with pytest.raises(BodyError, match="charset"):
        parse(b"a=1", "application/x-www-form-urlencoded; charset=base64")


LIMITS = [
    (b"a=1&b=2&c=3", {"max_form_fields": 2}, "max_form_fields is 2"),
    (b"&" * 1000, {}, "max_form_fields is 1000"),
    (b"a=12345", {"max_form_memory_size": 6}, "max_form_memory_size = 6"),
]


@pytest.mark.parametrize(("body", "limits", "message"), LIMITS)
@pytest.mark.parametrize("length", ["announced", "unknown"])
def test_limits_of_urlencoded_forms(body, limits, message, length):
    headers = {"content-length": str(len(body))} if length == "announced" else {}
    source = io.BytesIO(body)
    parser = FieldStorageParser(source, headers, limits=FormLimits(**limits))
    with pytest.raises(BodyTooLargeError, match=message):
        parser.parse()
    if length == "announced" and "memory" in message:
        assert source.tell() == 0, "refused before a byte was read"


def test_strict_parsing_refuses_malformed_forms():
    with pytest.raises(BodyError, match="bad field"):
        parse(b"a=1&b", "application/x-www-form-urlencoded", strict_parsing=1)


def test_urlencoded_form_is_not_made_of_objects_until_asked():
    form = parse_form(b"a=1&b=2")
    assert isinstance(form, UrlencodedForm)
    form.getvalue("a")
    assert "list" not in vars(form)


# -- multipart ----------------------------------------------------------------


def test_fields_and_files():
    form = parse(
        part("text", "žluť\r\nkůň\r\n".encode())
        + part("empty", b"")
        + part("file", b"\xff\r\n\0", r"C:\dir\x.bin", "\r\nContent-Type: image/png")
        + part("none", b"", "")
    )
    assert form.getvalue("text") == "žluť\r\nkůň\r\n"
    assert form["text"].file.read() == "žluť\r\nkůň\r\n"
    assert form.getvalue("empty") == ""
    upload = form["file"]
    assert upload.filename == "x.bin"
    assert upload.disposition_options["filename"] == r"C:\dir\x.bin"
    assert upload.type == "image/png"
    assert upload.value == b"\xff\r\n\0"
    assert upload.file.read() == b"\xff\r\n\0"
    assert upload.value == b"\xff\r\n\0"
    assert form["none"].filename == ""
    assert form["none"].value == ""
    assert not form["none"]


def test_empty_upload_is_empty_bytes():
    form = parse(part("f", b"", "empty.txt"))
    assert form["f"].value == b""
    assert not form["f"]


@pytest.mark.parametrize("filename", [None, ""])
def test_later_fields_are_found_after_a_nested_multipart(filename):
    """D67; also if no file was chosen where its parts are sent."""
    inner = (
        b"--i\r\nContent-Disposition: file; filename=a\r\n\r\nA\r\n"
        b"--i\r\nContent-Disposition: file; filename=b\r\n\r\nB\r\n--i--"
    )
    form = parse(
        part("files", inner, filename, "\r\nContent-Type: multipart/mixed; boundary=i")
        + part("after", b"1")
    )
    assert [field.filename for field in form["files"].list] == ["a", "b"]
    assert [field.value for field in form["files"].value] == [b"A", b"B"]
    assert form.getvalue("after") == "1"


def test_charset_field_is_that_of_the_fields_behind_it():
    """RFC 7578, 4.6"""
    form = parse(
        part("a", "é".encode())
        + part("_charset_", b"iso-8859-2")
        + part("b", "ž".encode("iso-8859-2"))
    )
    assert form.getvalue("a") == "é"
    assert form.getvalue("b") == "ž"
    with pytest.raises(BodyError, match="charset"):
        parse(part("_charset_", b"zip") + part("b", b"1"))


def test_charset_of_a_part_is_that_of_its_text():
    """RFC 7578, 4.5"""
    latin = "\r\nContent-Type: text/plain; charset=ISO-8859-1"
    form = parse(
        part("a", "é".encode("latin-1"), extra=latin)
        + part("b", "é".encode())
        + part("_charset_", b"iso-8859-2")
        + part("c", "é".encode("latin-1"), extra=latin)
        + part("d", "é".encode(), extra="\r\nContent-Type: text/plain; charset=")
        + part("f", "é".encode("latin-1"), "f.txt", latin)
    )
    assert [form.getvalue(name) for name in "abc"] == ["é", "é", "é"]
    assert form.getvalue("d") == "é".encode().decode("iso-8859-2")
    assert form.getvalue("f") == "é".encode("latin-1")
    with pytest.raises(BodyError, match="charset"):
        parse(part("a", b"1", extra="\r\nContent-Type: text/plain; charset=zip"))


def test_a_character_is_whole_wherever_a_block_ends():
    """D69"""
    text = "ž" * BLOCK_SIZE
    assert parse(part("a", text.encode())).getvalue("a") == text


def test_bytes_read_is_what_came():
    body = part("a", b"1")
    form = parse(body)
    assert form.bytes_read == len(body) + len(b"--x--\r\n")
    assert form.length == form.bytes_read


MULTIPART_LIMITS = [
    (part("a", b"1") * 3, {"max_form_parts": 2}, 413, "max_form_parts = 2"),
    (part("a", b"1") * 1001, {}, 413, "max_form_parts = 1000"),
    (part("a", b"x" * 9) * 2, {"max_form_memory_size": 17}, 413, "memory_size = 17"),
    (part("a" * 100, b""), {"max_part_header_size": 99}, 431, "header_size = 99"),
]


@pytest.mark.parametrize(("body", "limits", "status", "message"), MULTIPART_LIMITS)
def test_limits_of_multipart_forms(body, limits, status, message):
    with pytest.raises(BodyError, match=message) as caught:
        parse(body, limits=FormLimits(**limits))
    assert caught.value.status_code == status


@pytest.mark.parametrize(("body", "limits", "status", "message"), MULTIPART_LIMITS)
def test_none_switches_a_limit_off(body, limits, status, message):
    none = FormLimits(None, None, None, None)
    assert len(parse(body, limits=none).list) == body.count(b"--x\r\n")


def test_files_do_not_count_as_form_memory():
    limits = FormLimits(max_form_memory_size=10)
    form = parse(part("f", b"x" * 1000, "x") + part("a", b"1"), limits=limits)
    assert len(form["f"].value) == 1000


def test_max_num_fields_counts_parts():
    assert len(parse(part("a", b"1") * 2, max_num_fields=2)["a"]) == 2
    with pytest.raises(ValueError, match="Max number of fields exceeded"):
        parse(part("a", b"1") * 3, max_num_fields=2)


@pytest.mark.parametrize("missing", range(1, 8))
def test_a_form_that_ends_early_is_refused(missing):
    body = part("a", b"1") + b"--x--\r\n"
    headers = {"content-type": TYPE, "content-length": str(len(body))}
    parser = FieldStorageParser(io.BytesIO(body[:-missing]), headers)
    if missing <= 2:  # what is behind the last boundary is nobody's
        assert parser.parse().getvalue("a") == "1"
        return
    with pytest.raises(BodyError):
        parser.parse()


def test_not_a_byte_behind_the_announced_length_is_read():
    body = part("a", b"1") + b"--x--\r\n"
    source = io.BytesIO(body + b"GET / HTTP/1.1\r\n")
    headers = {"content-type": TYPE, "content-length": str(len(body))}
    FieldStorageParser(source, headers).parse()
    assert source.tell() == len(body)


def test_boundary_is_checked():
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=é"):
        with pytest.raises(ValueError, match="Invalid boundary"):
            parse(b"--x--", content_type)


def test_text_input_is_refused():
    for content_type in (TYPE, "application/x-www-form-urlencoded", "text/plain"):
        source = io.StringIO("a=1")
        with pytest.raises(ValueError, match="should return bytes"):
            FieldStorageParser(source, {"content-type": content_type}).parse()


# -- short forms: found in a block instead of decoded -------------------------

ATTRIBUTES = (
    *("name", "filename", "type", "type_options", "disposition"),
    *("disposition_options", "value", "length"),
)


def described(field):
    """Return all that can be seen of a field."""
    file = field.file
    content = None if file is None else (type(file).__name__, file.read())
    fields = isinstance(field.list, list) and [described(f) for f in field.list]
    seen = {name: getattr(field, name) for name in ATTRIBUTES if not fields}
    return fields, content, bool(field), seen


def parse_whole(body, boundary, **options):
    """Return the form of a body in one block, as `Body` makes it."""
    form = parse_short_multipart(body, boundary, **options)
    return parse_multipart([body], boundary, **options) if form is None else form


def outcome(parse, body, **options):
    """Return the form, or what is raised, and what a callback saw."""
    seen = []

    def callback(name):
        seen.append((name, io.BytesIO()))
        return seen[-1][1]

    if options.pop("with_callback", False):
        options["file_callback"] = callback
    try:
        form = parse(body, "x", **options)
    except BodyError as err:
        return type(err), err.status_code, str(err), [f.closed for _, f in seen]
    return (
        [described(field) for field in form.list],
        (form.bytes_read, form.type, len(form), list(form), form.keys(), bool(form)),
        [(name, file.getvalue()) for name, file in seen],
    )


PIECES = [
    b"--x", b"--x\r\n", b"\r\n--x", b"--", b"--\r\n", b"\r\n", b"\r\n\r\n", b" ",
    b"\r", b"-", b"text", "\u017elu".encode(), b"\xff", b"\0", b'"', b"%22", b"\\",
    b'Content-Disposition: form-data; name="', b'"; filename="', b'"; filename=""',
    b"Content-Disposition: form-data; name=plain", b"\r\nContent-Type: text/plain",
    b"\r\nContent-Type: multipart/mixed; boundary=y", b"\r\nContent-Type: Image/PNG",
    part("a", b"1"), part("a", b"2"), part("_charset_", b"latin-1"),
    part("f", b"\0\r\n-\xff", "C:\\\\x.bin", "\r\nContent-Type: Application/X"),
    part("f", b"content", "x.bin", "\r\nContent-Type: text/plain"),
    part("f", b"", "", "\r\nContent-Type: application/octet-stream"),
    part("f", b"", "", "\r\nContent-Type: multipart/mixed; boundary=y"),
    part("long", b"l" * 1200), part("n" * 300, b""), b"--x--\r\n", b"--x--\r\n",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=9).map(b"".join),
    st.booleans(),
    st.sampled_from([{}, {"max_parts": 2}, {"max_header_size": 70}, {"max_memory": 9}]),
)
def test_a_short_form_is_what_the_decoder_makes_of_it(body, with_callback, limits):
    """The decoder is the plain reference."""

    def parse_plainly(body, boundary, **options):
        return parse_multipart([body], boundary, **options)

    for content in (body, body + b"--x--"):
        expected = outcome(
            parse_plainly, content, with_callback=with_callback, **limits
        )
        found = outcome(parse_whole, content, with_callback=with_callback, **limits)
        assert found == expected


@pytest.mark.parametrize("boundary", ["", " ", "x ", "x" * 202, "\xe9", "x\n"])
def test_the_boundary_of_a_short_form_is_checked(boundary):
    body = part("a", b"1").replace(b"--x", b"--" + boundary.encode(), 1)
    with pytest.raises(BodyError, match="Invalid boundary"):
        parse_whole(body, boundary)


def short_form(*files, **options):
    body = part("a", b"1") + part("b", b"2") + b"".join(files) + b"--x--\r\n"
    form = parse_whole(body, "x", **options)
    assert isinstance(form, MultipartForm)
    return form


FILE = part("f", b"content", "x.bin", "\r\nContent-Type: text/plain")


def test_fields_of_a_short_form_are_made_when_asked_for():
    form = short_form(FILE)
    assert (form.getvalue("a"), form.getvalue("b", func=int)) == ("1", 2)
    assert form.getvalue("c", "none") == "none"
    assert "list" not in vars(form)
    field, file = form["a"], form["f"]
    assert form["a"] is field
    assert (form.getfirst("f"), form.getlist("b")) == (b"content", ["2"])
    with pytest.raises(KeyError):
        form["c"]
    field.value = "changed"
    assert form.getvalue("a") == "changed"
    assert form.list[0] is field
    assert form.list[2] is file
    form.list.append(FieldStorage("a", "3"))
    assert form.getvalue("a") == ["changed", "3"]
    form.list = [FieldStorage("d", "4")]
    assert (list(form), form.getvalue("a"), form["d"].value) == (["d"], None, "4")


def test_a_repeated_name_of_a_short_form_has_all_its_fields():
    form = short_form(part("a", b"3"), FILE, FILE)
    assert isinstance(form, MultipartForm)
    assert form.getvalue("a") == ["1", "3"]
    assert [field.name for field in form.list] == ["a", "b", "a", "f", "f"]
    assert form["a"][1] is form.list[2]
    assert form.getvalue("f") == [b"content", b"content"]


def test_files_of_a_short_form_are_closed_with_it():
    form = short_form(FILE)
    file = form["f"].file
    assert form["f"].file is file
    form.close()
    assert file.closed
    form = short_form(FILE)
    form.close()
    assert form["f"].file.closed, "though nobody had asked for it"
    form = short_form(FILE)
    form["f"].file = own = io.BytesIO(b"another")
    assert form["f"].value == b"another"
    assert "another" not in repr(form["f"])
    assert "BytesIO" in repr(form["f"])
    form.list  # noqa: B018 - makes the fields
    form.close()
    assert own.closed


def test_files_of_a_short_form_are_closed_if_a_callback_fails():
    files = []

    def callback(_name):
        if files:
            raise OSError("disk is full")
        files.append(io.BytesIO())
        return files[0]

    with pytest.raises(OSError, match="full"):
        short_form(FILE, FILE, file_callback=callback)
    assert files[0].closed


# -- files --------------------------------------------------------------------


def test_files_move_to_the_disk_when_they_grow():
    small, large = b"s" * 1000, b"l" * (BLOCK_SIZE + 1)
    form = parse(part("s", small, "s") + part("l", large, "l"))
    assert isinstance(form["s"].file, io.BytesIO)
    assert form["l"].file.fileno() > 2
    assert form["s"].value == small
    assert form["l"].value == large
    form.close()


def test_all_files_together_take_one_block_of_memory():
    form = parse(b"".join(part("f", b"x" * 50_000, "x") for _ in range(10)))
    in_memory = [f for f in form["f"] if isinstance(f.file, io.BytesIO)]
    assert len(in_memory) == BLOCK_SIZE // 50_000
    form.close()


def test_files_are_closed_with_the_form_and_when_it_is_dropped():
    body = part("f", b"x" * BLOCK_SIZE * 2, "x")
    before = open_files()
    with parse(body) as form:
        file = form["f"].file
        assert open_files() == before + 1
    assert file.closed
    form = parse(body)
    file = form["f"].file
    gc.disable()
    try:
        del form
        assert file.closed, "without the garbage collector"
    finally:
        gc.enable()
    assert open_files() == before


class Store(io.BytesIO):
    """What a file callback returns; remembers what happened to it."""

    made = None

    def __init__(self, name):
        super().__init__()
        self.client_name = name
        self.closes = 0
        self.made.append(self)

    def close(self):
        self.closes += 1
        super().close()


@pytest.fixture
def store():
    Store.made = []
    return Store


def test_callback_is_called_once_for_each_file(store):
    """D68, D71: with the last component of the client's name."""
    form = parse(
        part("a", b"text")
        + part("f", b"x" * 300_000, "../dir/x.bin")
        + part("g", b"", "😀.txt")
        + part("h", b"", ""),
        file_callback=store,
    )
    assert [item.client_name for item in store.made] == ["x.bin", "😀.txt"]
    assert form["f"].file is store.made[0]
    assert form["f"].file.read() == b"x" * 300_000
    form.close()
    del form
    assert [item.closes for item in store.made] == [1, 1]


def test_classes_of_the_standard_library_are_callbacks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("x.bin").touch()

    class Update(io.FileIO):
        def __init__(self, name):
            super().__init__(name, "r+")

    with parse(part("f", b"content", "x.bin"), file_callback=Update) as form:
        assert form["f"].value == b"content"
    assert pathlib.Path("x.bin").read_bytes() == b"content"


REFUSED = [
    part("f", b"x" * 300_000, "x") + b"--x\r\nbad header\r\n\r\n",
    part("f", b"x" * 300_000, "x") * 2 + part("a", b"1") * 1000,
    part("f", b"x" * 300_000, "x") + part("a", b"y" * 3_000_000),
]


@pytest.mark.parametrize("body", REFUSED)
@pytest.mark.parametrize("with_callback", [False, True])
def test_nothing_stays_open_of_a_form_that_is_refused(body, with_callback, store):
    before = open_files()
    options = {"file_callback": store} if with_callback else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with pytest.raises(BodyError):
            parse(body, **options)
    assert open_files() == before
    assert all(item.closes == 1 for item in store.made)


def test_nothing_stays_open_when_the_client_goes_away_mid_upload(store):
    class Gone(io.RawIOBase):
        def __init__(self):
            self.blocks = [part("f", b"x" * 300_000, "x"), part("g", b"y", "y")[:-2]]

        def read(self, size=-1):
            if not self.blocks:
                raise ConnectionResetError("peer is gone")
            return self.blocks.pop(0)

    before = open_files()
    for options in ({}, {"file_callback": store}):
        with pytest.raises(ConnectionResetError):
            FieldStorageParser(Gone(), {"content-type": TYPE}, **options).parse()
        assert open_files() == before
    assert [item.closes for item in store.made] == [1, 1]


def test_more_files_than_descriptors_are_413(monkeypatch):
    """A thousand files of a few bytes are a short form."""
    before = open_files()
    real, made = tempfile.TemporaryFile, []

    def few(*args, **options):
        if len(made) == 3:
            raise OSError(errno.EMFILE, "Too many open files")
        made.append(real(*args, **options))
        return made[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", few)
    body = b"".join(part(f"f{n}", b"x" * 100_000, "x") for n in range(5))
    with pytest.raises(BodyTooLargeError, match="max_form_parts"):
        parse(body)
    assert [file.closed for file in made] == [True] * 3
    assert open_files() == before


def test_what_a_callback_raises_reaches_the_caller():
    def refuse(name):
        raise FileExistsError(name)

    with pytest.raises(FileExistsError, match=r"x\.txt"):
        parse(part("f", b"1", "x.txt"), file_callback=refuse)


def test_repr_and_bool_read_no_file():
    """D73"""

    class Huge:
        def seek(self, *_):
            raise OSError("not seekable")

        def read(self, *_):
            raise AssertionError("read")

        def close(self):
            pass

    field = FieldStorage("f")
    field.filename = "x"
    field.file = Huge()
    assert bool(field) is True
    assert "'f', 'x'" in repr(field)


def test_a_raw_file_may_take_less_than_it_is_given():
    class Slow(io.RawIOBase):
        def __init__(self):
            self.got = b""

        def write(self, data):
            self.got += bytes(data[:3])
            return min(3, len(data))

    file = Slow()
    write_all(file, b"0123456789")
    assert file.got == b"0123456789"


# -- other types --------------------------------------------------------------


def test_plain_text_is_a_text_file():
    field = parse("řádek\n".encode(), "text/plain; charset=utf-8")
    assert field.value == "řádek\n"
    assert field.file.read() == "řádek\n"
    long = "ž" * 10_000
    assert parse(long.encode(), "text/plain").value == long


def test_any_other_type_is_a_binary_file():
    """D70"""
    assert parse(b"\xff\0", "application/octet-stream").value == b"\xff\0"
    field = parse(b"\xff" * 10_000, "application/octet-stream")
    assert field.value == b"\xff" * 10_000
    source = io.BytesIO(b"\xff\n")
    headers = {
        "content-type": "image/png",
        "content-disposition": 'attachment; name="n"; filename="a/x.png"',
    }
    field = FieldStorageParser(source, headers).parse()
    assert field.value == b"\xff\n"
    assert (field.name, field.filename) == ("n", "x.png")


def test_a_length_that_is_no_number_means_to_the_end():
    headers = {"content-length": "x"}
    assert FieldStorageParser(io.BytesIO(b"a=1"), headers).parse().getvalue("a") == "1"


def test_limit_stops_reading():
    body = part("a", b"1") + part("b", b"2") + b"--x--"
    source = io.BytesIO(body)
    parser = FieldStorageParser(source, {"content-type": TYPE}, limit=len(body) // 2)
    assert parser.parse().getvalue("a") == "1"
    assert source.tell() == len(body) // 2


def test_text_wrapper_is_read_below_its_text():
    wrapper = io.TextIOWrapper(io.BytesIO(b"a=1"))
    assert FieldStorageParser(wrapper, {}).parse().getvalue("a") == "1"


def test_made_files_can_be_written():
    parser = FieldStorageParser(encoding="utf-8")
    with parser.make_file() as file:
        file.write("text")
    parser.filename = "x"
    with parser.make_file() as file:
        file.write(b"bytes")
