"""Timings per phase, the last requests, and that nobody pays who has them off."""

import json
import logging
import os
import sys
from pathlib import Path

import pytest

import poorwsgi
from poorwsgi import Application
from poorwsgi.logs import JSONFormatter, RequestFilter, access
from poorwsgi.response import GeneratorResponse
from poorwsgi.testing import TestClient
from poorwsgi.tracing import PHASES, Recorder, Trace, request_id

PACKAGE = str(Path(poorwsgi.__file__).parent)


def make_app(name):
    app = Application(name)

    @app.route("/")
    def hello(req):
        return "hello"

    @app.route("/item/<id:int>")
    def item(req, number):
        return {"id": number}

    @app.route("/crash")
    def crash(req):
        raise ValueError("password=hidden")

    @app.route("/stream")
    def stream(req):
        return GeneratorResponse(part for part in (b"one", b"two"))

    return app


@pytest.fixture
def app(request):
    return make_app(request.node.nodeid)


def calls_of(app, path, **options):
    """Return each call of ours for a GET, by file and function."""
    environ = TestClient(app).environ("GET", path, **options)
    calls = []

    def note(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            calls.append(frame.f_code.co_qualname)

    app(dict(environ), lambda *_: None)
    sys.setprofile(note)
    try:
        b"".join(app(environ, lambda *_: None))
    finally:
        sys.setprofile(None)
    return calls


def requests_of(app):
    return app._watch.sinks["recorder"].requests()


# -- who has it off pays nothing


@pytest.mark.parametrize("path", ["/", "/item/5", "/none"])
@pytest.mark.parametrize("option", ["debug", "access_log"])
def test_switched_off_it_costs_no_call(app, path, option, request):
    """The same calls as in an application that never had it on."""
    fresh = make_app(request.node.nodeid + "fresh")
    setattr(app, option, True)
    assert len(calls_of(app, path)) > len(calls_of(fresh, path))
    setattr(app, option, False)
    assert calls_of(app, path) == calls_of(fresh, path)
    assert set(vars(app)) - set(vars(fresh)) <= {f"_{option}", "_watch"}


def test_who_never_has_it_on_loads_none_of_it():
    """Not by an import, and not by a request."""
    program = """
import sys
from poorwsgi import Application
app = Application()
app.set_route("/", lambda req: "x")
app.debug = False
app({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)
print([name for name in ("tracing", "logs", "inspector", "checks", "debug_page",
       "profiling") if "poorwsgi." + name in sys.modules])
"""
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


# -- phases


def test_each_phase_has_its_time(app):
    """Their sum is the time of the request."""
    app.debug = True
    app.add_before_response(lambda req: None)
    app.add_after_response(lambda req, response: response)
    answer = TestClient(app).get("/item/5")
    assert answer.json == {"id": 5}
    (one,) = requests_of(app)
    assert tuple(one["phases"]) == PHASES
    for phase in ("request", "routing", "before", "handler", "after", "response"):
        assert one["phases"][phase] > 0, phase
    assert sum(one["phases"].values()) == pytest.approx(one["milliseconds"], abs=0.01)
    assert (one["rule"], one["status"], one["handler"]) == (
        "/item/<id:int>",
        200,
        "item",
    )
    assert one["pid"] == os.getpid()


def test_a_handler_sees_the_request_it_knows(app):
    """The class that hears of the rule is gone before hooks and handler."""
    seen = []
    app.debug = True
    app.add_before_response(lambda req: seen.append(type(req)))
    app.set_route("/type", lambda req: seen.append(type(req)) or "x")
    TestClient(app).get("/type")
    TestClient(app).get("/nothing")
    assert set(seen) == {app.request_class}


def test_errors_and_streams_are_recorded(app):
    """With what was raised, without the secrets in it, and the bytes sent."""
    app.debug = True
    client = TestClient(app)
    client.get("/crash?token=hidden")
    client.get("/stream")
    client.get("/none")
    none, stream, crash = requests_of(app)
    assert none["status"] == 404
    assert (stream["size"], stream["phases"]["body"] > 0) == (6, True)
    assert crash["error"] == "ValueError('password=*****')"
    assert crash["query"] == "token=*****"
    assert len(crash["error_id"]) == 8


def test_files_go_by_the_wrapper_of_the_server(app, tmp_path):
    """What it makes of a file is handed on as it is."""
    (tmp_path / "a.txt").write_text("abc")
    app.document_root, app.debug = str(tmp_path), True
    wrapped = []

    def wrapper(file, size):
        wrapped.append(file)
        return [file.read()]

    environ = {"wsgi.file_wrapper": wrapper}
    client = TestClient(app, validate=False)
    assert client.get("/a.txt", environ=environ).data == b"abc"
    assert len(wrapped) == 1
    assert requests_of(app)[0]["size"] == 3


def test_the_page_itself_is_not_listed(app):
    app.debug = True
    TestClient(app).get("/debug-info")
    assert requests_of(app) == []


def test_profile_and_debug_go_together(app):
    """Whichever is switched on first, and off first."""
    ran = []

    def runctx(statement, names, local_names, filename):
        ran.append(filename)
        exec(statement, names, local_names)

    client = TestClient(app)
    app.set_profile(runctx, "x")
    app.debug = True
    assert client.get("/").text == "hello"
    assert (len(ran), len(requests_of(app))) == (1, 1)
    app.del_profile()
    client.get("/")
    assert (len(ran), len(requests_of(app))) == (1, 2)
    app.set_profile(runctx, "x")
    app.debug = False
    client.get("/")
    assert len(ran) == 2
    app.del_profile()
    client.get("/")
    assert len(ran) == 2
    assert "__request__" not in vars(app)


def test_an_error_that_leaves_the_application_is_recorded(app, monkeypatch):
    monkeypatch.setattr(type(app), "response_for_error", lambda *_: 1 / 0)
    app.debug = True
    answer = TestClient(app, raise_errors=False).get("/crash")
    assert answer.status_code == 500
    assert "ZeroDivisionError" in requests_of(app)[0]["error"]


def test_a_sink_that_fails_fails_alone(app):
    def broken(trace):
        raise OSError

    app.debug = True
    app._watch.sinks["broken"] = broken
    assert TestClient(app).get("/").text == "hello"


# -- the recorder


def trace_of(path="/x"):
    return Trace({"REQUEST_METHOD": "GET", "PATH_INFO": path})


def test_the_last_requests_are_kept():
    """The newest first, and no more than there are slots."""
    recorder = Recorder()
    for number in range(Recorder.SLOTS + 10):
        recorder(trace_of(f"/{number}"))
    paths = [one["path"] for one in recorder.requests()]
    assert len(paths) == Recorder.SLOTS
    assert (paths[0], paths[-1]) == (f"/{Recorder.SLOTS + 9}", "/10")


def test_forks_write_to_the_same_memory():
    """So that any process of a prefork server shows the requests of all."""
    recorder = Recorder()
    child = os.fork()
    if not child:
        recorder(trace_of("/child"))
        os._exit(0)
    os.waitpid(child, 0)
    assert [one["path"] for one in recorder.requests()] == ["/child"]


def test_a_torn_slot_is_not_listed():
    recorder = Recorder()
    recorder(trace_of())
    recorder._memory[20] ^= 1
    assert recorder.requests() == []


def test_long_requests_do_not_burst_a_slot():
    recorder = Recorder()
    recorder(trace_of("/" + "é" * 4000))
    assert len(recorder.requests()[0]["path"]) == 500


# -- ids and logs


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HTTP_X_REQUEST_ID": "abc-123"}, "abc-123"),
        ({"HTTP_TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-01"}, "a" * 32),
        ({"HTTP_X_REQUEST_ID": "evil\nline"}, None),
        ({"HTTP_X_REQUEST_ID": "x" * 129}, None),
        ({"HTTP_TRACEPARENT": "junk"}, None),
        ({}, None),
    ],
)
def test_the_id_of_a_request(environ, expected):
    """That of the client if it looks like one, else a random one."""
    found = request_id(environ)
    assert found == expected if expected else len(found) == 16


def test_the_access_log_is_off(app, caplog):
    caplog.set_level(logging.DEBUG, "poorwsgi")
    TestClient(app).get("/")
    assert [r for r in caplog.records if r.name == "poorwsgi.access"] == []


def test_the_access_log_has_fields(app, caplog):
    """The rule, never the path that a client can write into the log."""
    caplog.set_level(logging.INFO, "poorwsgi.access")
    app.access_log = True
    client = TestClient(app, headers={"X-Request-ID": "r-1"})
    client.get("/item/5?token=hidden")
    (record,) = caplog.records
    assert record.name == "poorwsgi.access"
    assert (record.request_id, record.rule, record.status, record.method) == (
        "r-1",
        "/item/<id:int>",
        200,
        "GET",
    )
    assert record.size == 9
    assert record.milliseconds > 0
    assert record.getMessage().startswith("'GET' /item/<id:int> 200 9 B")
    assert "hidden" not in record.getMessage()


def test_nobody_listens_nobody_writes(app, caplog):
    app.access_log = True
    access.setLevel(logging.WARNING)
    try:
        TestClient(app).get("/")
    finally:
        access.setLevel(logging.NOTSET)
    assert caplog.records == []


def test_error_ids_join_page_log_and_access_log(app, caplog):
    """One id, to be found wherever somebody looks."""
    caplog.set_level(logging.INFO, "poorwsgi")
    app.access_log = True
    answer = TestClient(app, headers={"X-Request-ID": "r-2"}).get("/crash")
    error, line = caplog.records
    assert error.error_id == line.error_id
    assert error.error_id in answer.text
    assert error.request_id == line.request_id == "r-2"
    assert (error.rule, line.status) == ("/crash", 500)


def test_records_of_the_application_get_the_id_by_the_filter(app):
    """Outside of a request it is a dash, so a format may always name it."""
    app.access_log = True
    seen = []

    class Keep(logging.Handler):
        def emit(self, record):
            seen.append((record.getMessage(), record.request_id, record.method))

    keep = Keep()
    keep.addFilter(RequestFilter())
    logger = logging.getLogger("test_tracing.own")
    logger.addHandler(keep)
    app.set_route("/log", lambda req: logger.warning("inside") or "x")
    TestClient(app, headers={"X-Request-ID": "r-3"}).get("/log")
    logger.warning("outside")
    logger.removeHandler(keep)
    assert seen == [("inside", "r-3", "GET"), ("outside", "-", "-")]


def test_one_json_object_a_line():
    """With all fields of the record, and the traceback."""
    record = logging.makeLogRecord({"msg": "%s", "args": ("a\nb",), "status": 5})
    try:
        raise KeyError("x")
    except KeyError:
        record.exc_info = sys.exc_info()
    text = JSONFormatter().format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert (line["message"], line["status"], line["level"]) == ("a\nb", 5, "Level None")
    assert "KeyError: 'x'" in line["traceback"]
