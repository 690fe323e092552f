"""Bot enforcement under real uWSGI: 2 processes with 8 threads each.

Whatever the service does, every request gets the application's answer, the
application runs once for each, and the log stays quiet.
"""

import os
import re
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from fake_perimeterx import APP_ID, KEY, TOKEN, UUID, FakePerimeterX, fields, v3

from poorwsgi.testing import LiveServer, free_port

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "perimeterx"
UWSGI = Path(sys.executable).with_name("uwsgi")
REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"

REQUESTS = 1000
CLIENTS = 16
TIMEOUT = 200  # ms
AGENT = "Live/1.0"

APPLICATION = """
import logging
import os
import time

from poorwsgi import Application
from poorwsgi.perimeterx import PerimeterX

logging.basicConfig(format="LOG %(process)d %(name)s %(message)s")
app = Application("live")
runs = os.open(os.environ["RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@app.route("/run/<number:int>", method=2 | 4)
def run(req, number):
    os.write(runs, b"%d\\n" % number)
    return f"run {number}"


@app.route("/pid")
def pid(req):
    time.sleep(0.05)  # so that one process cannot serve all of 16 clients
    return str(os.getpid())


service = os.environ["SERVICE"]
application = PerimeterX(
    app,
    {
        "app_id": os.environ["PX_APP_ID"],
        "cookie_key": os.environ["PX_COOKIE_KEY"],
        "auth_token": os.environ["PX_AUTH_TOKEN"],
        "module_mode": "active_blocking",
        "api_timeout": int(os.environ["TIMEOUT"]),
        "px_backend_url": service,
        "client_url": service,
        "captcha_url": service,
    },
)
"""


def uwsgi(script, env, *more):
    """Return a uWSGI with 2 processes of 8 threads."""
    if not UWSGI.exists():
        message = "uWSGI is not installed"
        pytest.fail(message) if REQUIRED else pytest.skip(message)
    command = [str(UWSGI), "--http-socket", "{address}", "--master", "--need-app"]
    command += ["--processes", "2", "--threads", "8", "--die-on-term", "--thunder-lock"]
    command += ["--disable-logging", "--listen", "100", *more]
    secrets = {"PX_APP_ID": APP_ID, "PX_COOKIE_KEY": KEY, "PX_AUTH_TOKEN": TOKEN}
    return LiveServer(
        [*command, "--wsgi-file", str(script)], env=secrets | env, cwd=ROOT
    )


@pytest.fixture
def site(tmp_path):
    """Return a factory of guarded sites under uWSGI."""
    script = tmp_path / "site.py"
    script.write_text(APPLICATION)

    def make(service, *more, timeout=TIMEOUT):
        env = {"SERVICE": service, "RUNS": str(runs), "TIMEOUT": str(timeout)}
        return uwsgi(script, env, *more)

    runs = tmp_path / "runs"
    make.runs = lambda: runs.read_text().split() if runs.exists() else []
    return make


def get(server, path, method="GET", **headers):
    """Return status, text and seconds of one request."""
    connection = HTTPConnection(server.host, server.port, timeout=20)
    started = time.monotonic()
    try:
        connection.request(method, path, headers={"User-Agent": AGENT, **headers})
        reply = connection.getresponse()
        return reply.status, reply.read().decode(), time.monotonic() - started
    finally:
        connection.close()


def visit_all(server, **headers):
    """Send all requests from many clients; return their answers."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        numbers = range(REQUESTS)
        paths = [f"/run/{number}" for number in numbers]
        methods = ["POST" if number % 2 else "GET" for number in numbers]
        return list(
            pool.map(
                lambda args: get(server, *args, **headers),
                zip(paths, methods, strict=True),
            )
        )


def check_answers(answers, runs):
    """Every request was answered by the application, which ran once for it."""
    assert [(status, text) for status, text, _ in answers] == [
        (200, f"run {number}") for number in range(REQUESTS)
    ]
    assert Counter(runs) == Counter(map(str, range(REQUESTS)))


def arrive(fake, count):
    """Wait until so many activities have arrived; they come by themselves."""
    fake.wait_for(lambda: len(fake.activities) >= count, 60)
    assert len(fake.activities) == count


def check_log(log):
    """Each process says each thing once in a minute, and nothing is an error."""
    lines = re.findall(r"^LOG (\d+) (\S+) (.*)$", log, re.MULTILINE)
    texts = Counter(
        (pid, re.sub(r"[0-9.]+", "N", text).partition(" (")[0])
        for pid, _, text in lines
    )
    assert all(name == "poorwsgi.perimeterx" for _, name, _ in lines)
    assert set(texts.values()) <= {1}, log
    assert "Traceback" not in log
    return lines


@pytest.mark.parametrize("mode", ["dead", "slow", "drip", "drop", "cut", "redirect"])
@pytest.mark.timeout(180)
def test_a_thousand_requests_while_the_service_fails(site, mode):
    with FakePerimeterX() as fake:
        # A service that would take 5 s and more if anybody waited for it.
        fake.delay = 5 if mode == "slow" else 0.1
        service = f"http://127.0.0.1:{free_port()}" if mode == "dead" else fake.url
        if mode != "dead":
            fake.mode = mode
        with site(service) as server:
            answers = visit_all(server)
        slowest = max(seconds for _, _, seconds in answers)
        print(f"{mode}: slowest of {REQUESTS}: {slowest:.3f} s")
        check_answers(answers, site.runs())
        assert check_log(server.log)
        # Far from what the service would take; the exact bound is a unit test.
        if mode in ("slow", "drip"):
            assert slowest < 5
        assert fake.on("/stolen") == []


@pytest.mark.timeout(180)
def test_a_thousand_requests_with_a_good_service(site):
    """Each is reported once, also those that wait when the server stops."""
    with FakePerimeterX() as fake:
        with site(fake.url, timeout=20_000) as server:
            answers = visit_all(server)
            check_answers(answers, site.runs())
            arrive(fake, REQUESTS)
            for number in range(10):
                get(server, f"/late/{number}")
        arrive(fake, REQUESTS + 10)
        assert check_log(server.log) == []
        assert len(fake.risk_calls) == REQUESTS + 10
        urls = Counter(activity["url"] for activity in fake.activities)
        assert set(urls.values()) == {1}
        assert 1 <= len(fake.telemetry) <= 2
        # Keep-alive: one connection for each thread, and for each sender.
        assert fake.connections <= 2 * 8 + 2 * 2 + 8


@pytest.mark.timeout(120)
def test_a_valid_cookie_needs_no_service(site):
    cookie = f"_px3={v3(agent=AGENT)}"
    with FakePerimeterX() as fake:
        with site(fake.url) as server:
            answers = visit_all(server, Cookie=cookie)
            check_answers(answers, site.runs())
            arrive(fake, REQUESTS)
        assert fake.risk_calls == []


@pytest.mark.parametrize("more", [(), ("--lazy-apps",)])
def test_processes_share_nothing(site, more):
    """Each process is heard of once, whoever loaded the application."""
    with FakePerimeterX() as fake:
        with site(fake.url, *more, timeout=20_000) as server:
            with ThreadPoolExecutor(CLIENTS) as pool:
                pids = {
                    text
                    for _, text, _ in pool.map(
                        lambda _: get(server, "/pid"), range(200)
                    )
                }
            arrive(fake, 200)
        assert len(pids) == 2
        assert len(fake.telemetry) == 2


def test_gunicorn_that_forks_after_loading(site, tmp_path):
    """It forks through Python, with the sender of the parent alive."""
    gunicorn = UWSGI.with_name("gunicorn")
    if not gunicorn.exists():
        message = "gunicorn is not installed"
        pytest.fail(message) if REQUIRED else pytest.skip(message)
    command = [str(gunicorn), "--bind", "{address}", "--preload", "--workers", "2"]
    command += ["--threads", "8", "--chdir", str(tmp_path), "site_of_px:application"]
    (tmp_path / "site.py").rename(tmp_path / "site_of_px.py")
    with FakePerimeterX() as fake:
        env = {"PX_APP_ID": APP_ID, "PX_COOKIE_KEY": KEY, "PX_AUTH_TOKEN": TOKEN}
        env |= {"SERVICE": fake.url, "RUNS": str(tmp_path / "runs"), "TIMEOUT": "20000"}
        with LiveServer(command, env=env, cwd=ROOT) as server:
            answers = visit_all(server)
            arrive(fake, REQUESTS)
        check_answers(answers, site.runs())
        assert check_log(server.log) == []
        assert len(fake.telemetry) == 1


@pytest.mark.parametrize("name", ["poorwsgi", "flask", "django"])
def test_an_example_under_uwsgi(name):
    if name != "poorwsgi":
        pytest.importorskip(name)
    good = f"_px3={v3(agent=AGENT)}"
    bad = f"_px3={v3(fields(s=100), agent=AGENT)}"
    with FakePerimeterX() as fake:
        env = {"PX_SERVICE_URL": fake.url, "PX_API_TIMEOUT": "20000"}
        with uwsgi(EXAMPLES / f"{name}.py", env) as server:
            for _ in range(20):
                assert get(server, "/")[0] == 200
                status, text, _ = get(server, "/?score=100")
                assert (status, UUID in text) == (403, True)
                assert get(server, "/?score=100&action=r")[0] == 429
                assert get(server, "/?score=100", Cookie=good)[0] == 200
                assert get(server, "/", Cookie=bad)[0] == 403
                assert get(server, "/?score=100", "HEAD")[:2] == (403, "")
                assert "_pxLoaded" in get(server, "/abcd1234/init.js")[1]
                assert get(server, "/abcd1234/xhr@evil.example/")[0] == 404
            arrive(fake, 20 * 7)
