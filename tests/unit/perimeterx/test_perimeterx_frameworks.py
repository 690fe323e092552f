"""One table of cases through our Application, Flask and Django; examples."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from fake_perimeterx import KEY, TOKEN, UUID, fields, risk_answer, v3

from poorwsgi.perimeterx import PerimeterX
from poorwsgi.testing import TestClient

from .perimeterx_site import AGENT

EXAMPLES = Path(__file__).parents[3] / "examples" / "perimeterx"
FAKE = EXAMPLES.parents[1] / "tests" / "fake_perimeterx.py"


def poorwsgi_application(runs):
    from poorwsgi import Application

    app = Application(f"perimeterx-{len(Application.__dict__)}-{id(runs)}")

    @app.route("/")
    def index(req):
        runs.append("GET")
        return "<h1>Hello</h1>"

    @app.route("/order", method=2 | 4)
    def order(req):
        runs.append("POST")
        return {"taken": req.json}

    @app.route("/error")
    def error(req):
        runs.append("error")
        raise RuntimeError("the application's own")

    return app


def flask_application(runs):
    flask = pytest.importorskip("flask")
    app = flask.Flask("shop")

    @app.get("/")
    def index():
        runs.append("GET")
        return "<h1>Hello</h1>"

    @app.post("/order")
    def order():
        runs.append("POST")
        return {"taken": flask.request.json}

    @app.get("/error")
    def error():
        runs.append("error")
        raise RuntimeError("the application's own")

    return app.wsgi_app


def django_application(runs):
    pytest.importorskip("django")
    import json
    import types

    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse, JsonResponse
    from django.urls import path, set_urlconf
    from django.views.decorators.csrf import csrf_exempt

    def index(request):
        runs.append("GET")
        return HttpResponse("<h1>Hello</h1>")

    @csrf_exempt
    def order(request):
        runs.append("POST")
        return JsonResponse({"taken": json.loads(request.body)})

    def error(request):
        runs.append("error")
        raise RuntimeError("the application's own")

    urls = types.ModuleType("perimeterx_test_urls")
    urls.urlpatterns = [path("", index), path("order", order), path("error", error)]
    sys.modules[urls.__name__] = urls
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF=urls.__name__,
            SECRET_KEY="test",
            LOGGING_CONFIG=None,
        )
    from django.urls import clear_url_caches

    settings.ROOT_URLCONF = urls.__name__
    set_urlconf(None)
    clear_url_caches()
    return get_wsgi_application()


@pytest.fixture(params=["poorwsgi", "flask", "django"])
def shop(request, fake):
    """Return a client of a guarded application, and what it ran."""
    runs: list[str] = []
    application = globals()[f"{request.param}_application"](runs)
    options = fake.options(
        module_mode="active_blocking",
        max_buffer_len=1,
        whitelist_routes=["/free"],
        api_timeout=20_000,
    )
    px = PerimeterX(application, options)
    yield TestClient(px), runs
    px.close()


HEADERS = {"User-Agent": AGENT}
GOOD = {"Cookie": f"_px3={v3()}", "User-Agent": AGENT}
BAD = {"Cookie": f"_px3={v3(fields(s=100))}", "User-Agent": AGENT}

CASES = [
    # path, headers, status, in the body
    ("/", HEADERS, 200, "<h1>Hello</h1>"),
    ("/", GOOD, 200, "<h1>Hello</h1>"),
    ("/", BAD, 403, "confirm that you are human"),
    ("/?score=100", HEADERS, 403, UUID),
    ("/?score=100&action=r", HEADERS, 429, "Too many requests"),
    ("/?score=100&action=j", HEADERS, 403, "A challenge page."),
    ("/?score=100", HEADERS | {"Accept": "application/json"}, 403, '"blockScript"'),
    ("/?score=100", {"X-PX-AUTHORIZATION": "1"}, 403, '"action": "captcha"'),
    ("/nothing", GOOD, 404, ""),
    ("/free?score=100", HEADERS, 404, ""),
    ("/abcd1234/init.js", HEADERS, 200, "_pxLoaded"),
    ("/abcd1234/xhr/a/%2e%2e/b", HEADERS, 200, "{}"),
]


@pytest.mark.parametrize(("path", "headers", "status", "text"), CASES)
def test_a_guarded_application(shop, path, headers, status, text):
    client, runs = shop
    reply = client.get(path, headers=headers)
    assert reply.status_code == status
    assert text in reply.text
    assert len(runs) == (1 if status == 200 and "Hello" in text else 0)


def test_a_body_reaches_the_application_once(shop):
    client, runs = shop
    reply = client.post("/order", json={"n": 1}, headers=GOOD)
    assert reply.json == {"taken": {"n": 1}}
    assert runs == ["POST"]


@pytest.mark.parametrize("mode", ["drop", "redirect", "cut"])
def test_an_order_is_taken_once_whatever_the_service_does(shop, fake, mode):
    client, runs = shop
    fake.wait_for(lambda: fake.telemetry)
    fake.mode = mode
    reply = client.post("/order", json={"n": 1}, headers=HEADERS)
    assert reply.json == {"taken": {"n": 1}}
    assert runs == ["POST"]


def test_a_new_pxhd_reaches_the_client(shop, fake):
    client, _ = shop
    fake.answer = risk_answer(0, pxhd="opaque")
    reply = client.get("/", headers=HEADERS)
    assert "_pxhd=opaque; Path=/" in dict(reply.headers)["Set-Cookie"]


@pytest.mark.filterwarnings("ignore")
def test_an_error_of_the_application_happens_once(shop):
    client, runs = shop
    try:
        reply = client.get("/error", headers=GOOD)
    except RuntimeError:
        pass
    else:
        assert reply.status_code == 500
    assert runs == ["error"]


# -- the examples ------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def fetch(url, **headers):
    """Return status and text of an answer."""
    request = Request(url, headers=headers)
    try:
        with urlopen(request, timeout=20) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture(scope="module", params=["poorwsgi", "flask", "django"])
def example(request):
    """Run an example beside the service and return its address."""
    if request.param != "poorwsgi":
        pytest.importorskip(request.param)
    port = free_port()
    program = subprocess.Popen(
        [sys.executable, FAKE, EXAMPLES / f"{request.param}.py"],
        env=os.environ | {"PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert program.poll() is None, program.stderr.read().decode()
                time.sleep(0.05)
        yield request.param, url
    finally:
        program.terminate()
        program.wait(20)
        program.stderr.close()


def test_an_example_lets_in_and_blocks(example):
    _, url = example
    status, text = fetch(f"{url}/?score=0")
    assert status == 200
    assert "<h1>" in text
    status, text = fetch(f"{url}/?score=100")
    assert status == 403
    assert UUID in text
    assert fetch(f"{url}/?score=100&action=r")[0] == 429


def test_an_example_serves_the_first_party_addresses(example):
    _, url = example
    assert "_pxLoaded" in fetch(f"{url}/abcd1234/init.js")[1]
    assert "px-captcha" in fetch(f"{url}/abcd1234/captcha/captcha.js?a=c")[1]


def test_a_cookie_of_the_challenge_lets_in(example):
    name, url = example
    headers = {"User-Agent": AGENT, "Cookie": f"_px3={v3()}"}
    assert fetch(f"{url}/?score=100", **headers)[0] == 200
    sensitive = "/login" if name == "poorwsgi" else "/account"
    assert fetch(f"{url}{sensitive}?score=100", **headers)[0] == 403


@pytest.mark.parametrize("name", ["poorwsgi", "flask", "django"])
def test_an_example_is_short_and_names_what_it_needs(name):
    source = (EXAMPLES / f"{name}.py").read_text()
    assert len(source.splitlines()) <= 120
    assert source.count("    curl ") == 3
    assert KEY in source
    assert TOKEN in source


@pytest.mark.parametrize("name", ["poorwsgi", "flask"])
def test_an_example_can_be_loaded_by_a_server(name, monkeypatch, fake):
    """As examples/perimeterx/x.py:application, without running main()."""
    if name != "poorwsgi":
        pytest.importorskip(name)
    monkeypatch.setenv("PX_SERVICE_URL", fake.url)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location(
        f"example_{name}", EXAMPLES / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    client = TestClient(module.application)
    assert client.get("/", headers=HEADERS).status_code == 200
