"""The examples: each is started in this process, and its curl calls are made."""

import ast
import importlib.util
import os
import re
import runpy
import sys
import textwrap
from pathlib import Path

import pytest
from curl import call_client, calls_in
from expected_calls import EXPECTED
from wsproto import ConnectionType
from wsproto import events as ws
from wsproto.connection import Connection

import poorwsgi.__main__
from poorwsgi.testing import TestClient

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"

# -- a file as a fresh program ------------------------------------------------


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Import an example as `python examples/x.py` does, without running it."""
    monkeypatch.chdir(ROOT)
    before, applications = set(sys.modules), []

    def load_file(name):
        path = EXAMPLES / name
        if name == "showcase.py" and "app_data" not in os.environ:
            # Else a process waits for the end of this one, to clean up.
            monkeypatch.setenv("app_data", str(tmp_path))
        monkeypatch.syspath_prepend(str(path.parent))
        spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look themselves up there
        spec.loader.exec_module(module)
        applications.append(module.application)
        return module

    yield load_file
    for application in applications:
        application.release()
    for name in set(sys.modules) - before:
        # Modules beside the example, such as those of dispatch_table.
        if str(EXAMPLES) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


# -- all of them ---------------------------------------------------------------


@pytest.mark.parametrize("name", EXPECTED)
def test_the_curl_calls_of_an_example_answer_as_expected(load, name):
    module = load(name)
    client = TestClient(module.application)
    calls = calls_in(module.__doc__)
    for words, (status, *texts) in zip(calls, EXPECTED[name], strict=True):
        got, text = call_client(client, words)
        assert got == status, (words, text)
        for expected in texts:
            assert expected in text, (words, expected)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_is_short_and_starts_with_its_calls(name):
    source = (EXAMPLES / name).read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source), clean=False)
    assert len(calls_in(docstring)) >= 3
    assert docstring.splitlines()[0].endswith(".")
    longest = {"showcase.py": 510, "websocket.py": 140}.get(name, 120)
    assert len(source.splitlines()) <= longest


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_serves_when_it_is_run(load, monkeypatch, tmp_path, name):
    """What `python examples/x.py` hands to the development server."""
    monkeypatch.setenv("app_data", str(tmp_path))
    served = []
    monkeypatch.setattr(poorwsgi.__main__, "serve", lambda *args: served.append(args))
    monkeypatch.syspath_prepend(str((EXAMPLES / name).parent))
    module = runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    module["application"].release()
    assert served == [(module["application"], "127.0.0.1", 8080)]


def test_the_application_of_the_readme():
    """Ten lines of code, as they stand there."""
    text = (ROOT / "README.rst").read_text(encoding="utf-8")
    block = re.search(r"code-block:: python\n\n((?: .*\n|\n)+)", text)[1]
    program = {"__name__": "readme"}
    exec(textwrap.dedent(block), program)
    client = TestClient(program["application"])
    headers = {"User-Agent": "a test"}
    answer = client.get("/hello/Ada", headers=headers)
    assert answer.json == {"hello": "Ada", "agent": "a test"}
    answer = client.get("/x")
    assert (answer.status_code, answer.text) == (404, "Nothing at /x.")
    assert answer.headers["Content-Type"] == "text/plain"
    program["application"].release()


# -- what a single call can not tell ------------------------------------------


def test_options_come_from_the_environment(load, monkeypatch):
    monkeypatch.setenv("app_greeting", "Ahoj")
    client = TestClient(load("app_options.py").application)
    assert "Ahoj, World!" in client.get("/").text


def test_a_validator_of_the_page_is_recognised(load):
    client = TestClient(load("conditional.py").application)
    etag = client.get("/page").headers["ETag"]
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        headers = {"If-None-Match": known}
        assert client.get("/page", headers=headers).status_code == 304
    headers = {"If-None-Match": '"other"'}
    assert client.get("/page", headers=headers).status_code == 200


def test_a_weak_etag_stands_for_the_compressed_bytes(load):
    """And the answer to HEAD has the headers of the answer to GET."""
    client = TestClient(load("gzip_filter.py").application)
    options = {"headers": {"Accept-Encoding": "br, gzip"}}
    head, full = client.head("/", **options), client.get("/", **options)
    assert head.headers.items() == full.headers.items()
    assert int(full.headers["Content-Length"]) == len(full.data) < 500


def test_a_generator_is_closed_when_the_client_goes(load):
    module = load("response_closed.py")
    with TestClient(module.application).get("/generator", stream=True):
        assert module.events == ["generator opened"]
    assert module.events == ["generator opened", "generator closed"]


class Dribble:
    """A socket whose bytes come one by one, and then the client is gone."""

    def __init__(self, data):
        self.data = [data[i : i + 1] for i in range(len(data))]
        self.sent = b""
        self.is_shut = False

    def recv(self, _size):
        return self.data.pop(0) if self.data else b""

    def sendall(self, data):
        self.sent += data

    def shutdown(self, _how):
        self.is_shut = True


# Key and answer of RFC 6455, 1.3.
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
ACCEPTED = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("ends_well", [True, False])
def test_the_websocket_echoes_over_the_socket_of_the_server(load, ends_well):
    """As gunicorn hands it over; the client says good-bye, or is just gone."""
    app = TestClient(load("websocket.py").application)
    peer = Connection(ConnectionType.CLIENT)
    sent = [ws.TextMessage("žluť"), ws.BytesMessage(b"\0\xff" * 200), ws.Ping(b"p")]
    sent += [ws.CloseConnection(1000)] * ends_well
    socket = Dribble(b"".join(map(peer.send, sent)))
    answer = app.get("/ws", headers=UPGRADE, environ={"gunicorn.socket": socket})
    head, _, frames = socket.sent.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert ACCEPTED in head
    peer.receive_data(frames)
    data, kinds = {str: "", bytes: b""}, set()
    for event in peer.events():
        kinds.add(type(event))
        if isinstance(event, ws.TextMessage):
            data[str] += event.data
        elif isinstance(event, ws.BytesMessage):
            data[bytes] += bytes(event.data)
    assert data == {str: "žluť", bytes: b"\0\xff" * 200}
    assert (ws.CloseConnection in kinds) is ends_well
    assert ws.Pong in kinds
    assert socket.is_shut
    assert answer.status_code == 204


@pytest.mark.parametrize("key", [None, "short"])
def test_a_broken_websocket_handshake_is_400(load, key):
    client = TestClient(load("websocket.py").application)
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    headers |= {"Sec-WebSocket-Key": key} if key else {}
    assert client.get("/ws", headers=headers).status_code == 400


# -- the showcase --------------------------------------------------------------


@pytest.fixture
def showcase(load):
    return TestClient(
        load("showcase.py").application, headers={"Accept": "application/json"}
    )


@pytest.mark.parametrize(
    ("filter_", "text", "value", "kind"),
    [
        ("none", "any%20thing", "any thing", "str"),
        ("int", "-42", "-42", "int"),
        ("float", "2.5", "2.5", "float"),
        ("word", "žluťoučký", "žluťoučký", "str"),
        ("hex", "C0ffee", "C0ffee", "str"),
        (*("uuid", "12345678-1234-5678-1234-567812345678"), None, "UUID"),
        ("re", "abc-123", "abc-123", "str"),
        ("any", "green", "green", "str"),
        ("path", "a/b/c.txt", "a/b/c.txt", "str"),
        ("date", "2024-02-29", "2024-02-29", "date"),
    ],
)
def test_every_filter_of_the_showcase(showcase, filter_, text, value, kind):
    response = showcase.get(f"/filter/{filter_}/{text}")
    assert response.json["value"] == (value or text)
    assert response.json["type"] == kind


@pytest.mark.parametrize(
    "path", ["int/x", "re/ABC-1", "any/black", "date/2023-02-29", "hex/xyz"]
)
def test_what_no_filter_takes_is_404(showcase, path):
    assert showcase.get(f"/filter/{path}").status_code == 404


def test_a_note_lives_from_post_to_delete(showcase):
    made = showcase.post("/api/notes", json={"text": "Buy <milk> 🥛"})
    url = made.location
    assert (made.status_code, made.json["done"]) == (201, False)
    assert showcase.get(url).json == made.json
    assert made.json in showcase.get("/api/notes").json
    changed = showcase.patch(url, json={"done": True}).json
    assert changed == {**made.json, "done": True}
    replaced = showcase.put(url, json={"text": "New"}).json
    assert replaced == {**made.json, "text": "New"}
    assert showcase.delete(url).status_code == 204
    assert showcase.get(url).status_code == 404
    assert showcase.delete(url).status_code == 404
    assert showcase.patch(url, json={"done": True}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"{broken",
        b"[1]",
        b'"text"',
        b"{}",
        b'{"text": 1}',
        b'{"text": " "}',
        b'{"text": "\\ud800"}',
        b'{"text": "x", "done": 1}',
        b'{"text": "%s"}' % (b"x" * 501),
    ],
)
def test_what_is_no_note_is_refused(showcase, body):
    headers = {"Content-Type": "application/json"}
    response = showcase.post("/api/notes", body=body, headers=headers)
    assert response.status_code == 400
    assert response.json["detail"]


def test_a_key_that_no_table_has_is_404(showcase):
    assert showcase.get(f"/api/notes/{10**30}").status_code == 404


@pytest.mark.parametrize(
    "name", ["plain.txt", 'we"ird; 😀.txt', "..%2fup.txt", "%41.txt", "a&b<c>.txt"]
)
def test_a_file_comes_back_under_its_name(showcase, name):
    files = {"file": (name, b"content of it")}
    (saved,) = showcase.post("/files", files=files).json
    assert (saved["name"], saved["size"]) == (name, 13)
    answer = showcase.get(saved["url"])
    assert answer.data == b"content of it"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].isascii()
    part = showcase.get(saved["url"], headers={"Range": "bytes=-2"})
    assert (part.status_code, part.data) == (206, b"it")
    assert showcase.delete(saved["url"]).status_code == 204
    assert showcase.get(saved["url"]).status_code == 404


@pytest.mark.parametrize("name", ["../../etc/passwd", r"..\..\passwd", "/etc/passwd"])
def test_a_file_name_leads_nowhere(showcase, name):
    (saved,) = showcase.post("/files", files={"file": (name, b"x")}).json
    assert saved["name"] == "passwd"


def test_a_browser_without_script_goes_back_to_the_page(showcase):
    options = {"files": {"file": ("a", b"")}, "headers": {"Accept": "text/html"}}
    response = showcase.post("/files", **options)
    assert (response.status_code, response.location) == (303, "/#files")


def test_a_form_without_a_file_is_refused(showcase):
    assert showcase.post("/files", data={"x": "1"}, files={}).status_code == 400


def test_a_cut_upload_leaves_nothing(load):
    module = load("showcase.py")
    client = TestClient(module.application)
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\ncut'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/files", body=body, headers=headers).status_code == 400
    assert client.get("/files").json == []
    assert [path.name for path in module.FOLDER.glob("*") if len(path.name) == 32] == []


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        *((f"/error/{code}", code, str(code)) for code in (400, 401, 403, 410, 500)),
        ("/error/418", 418, "the application's own handler"),
        ("/error/crash", 500, "ZeroDivisionError"),
        ("/error/value", 500, "ResponseError"),
        ("/error/handled", 503, "Out of coffee: the machine is empty"),
        ("/error/response", 402, "Pay first."),
        ("/error/999", 404, "404"),
    ],
)
def test_an_error_of_each_kind_by_the_showcase(load, path, status, text):
    client = TestClient(load("showcase.py").application)
    response = client.get(path, headers={"Accept": "text/html"})
    assert response.status_code == status
    assert text in response.text
    assert response.headers["X-Request-Id"]


def test_the_showcase_streams(showcase):
    with showcase.get("/stream/2", stream=True) as response:
        assert next(iter(response)) == b"line 1\n"
    assert showcase.get("/stream/0").data == b""
    assert showcase.get("/stream/-1").status_code == 200


def test_page_assets_index_and_debug_page_of_the_showcase(load, monkeypatch):
    module = load("showcase.py")
    monkeypatch.setattr(module, "sleep", lambda seconds: None)
    client = TestClient(module.application)
    page = client.get("/")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
    for link in re.findall(r'(?:href|src)="([^"#]+)"', page.text):
        path = link.replace("&amp;", "&")
        status = client.get(path if path[0] == "/" else f"/{path}").status_code
        error = re.match(r"/error/(\d+)", path)
        special = {"/no/such/page": 404, "/filter/date/2023-02-29": 404, "/old": 301}
        special |= {"/error/crash": 500, "/error/value": 500, "/error/handled": 503}
        special |= {"/error/response": 402}
        assert status == special.get(path, int(error[1]) if error else 200), path
    assert "poem.txt" in client.get("/assets/").text
    assert "Route Table" in client.get("/debug-info").text


def test_the_data_can_be_kept_in_a_named_folder(load, monkeypatch, tmp_path):
    monkeypatch.setenv("app_data", str(tmp_path / "kept"))
    client = TestClient(load("showcase.py").application)
    client.post("/api/notes", json={"text": "stays"})
    assert (tmp_path / "kept/data.sqlite").exists()
