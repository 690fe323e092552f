"""Digest, sessions and stores under uWSGI, with the clients people use.

Two sites: one uWSGI with two processes of four threads that share uWSGI's
cache, and two such uWSGIs that share one Redis, as two hosts would.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from servers import find_program
from store_contract import StoreContract

from poorwsgi.store import RedisStore
from poorwsgi.testing import LiveServer

httpx = pytest.importorskip("httpx")
redis_client = pytest.importorskip("redis")
requests = pytest.importorskip("requests")

ROOT = Path(__file__).parent.parent.parent
REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"
EXAMPLES = ROOT / "examples"
SECRET = {"app_secret": "the same key on all hosts"}
ALGORITHMS = ["MD5", "MD5-sess", "SHA-256"]


def program(name):
    """Return the path of a program, or skip; in CI it must be there."""
    path = find_program(name)
    if path is None:
        message = f"not installed: {name}"
        pytest.fail(message) if REQUIRED else pytest.skip(message)
    return path


def uwsgi(path, **env):
    """Return uWSGI with two processes of four threads, and a cache to share."""
    options = "--master --need-app --processes 2 --threads 4 --die-on-term"
    options += " --cache2 name=poorwsgi,items=1000 --worker-reload-mercy 3"
    command = [program("uwsgi"), "--http-socket", "{address}", "--wsgi-file", str(path)]
    env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **SECRET, **env}
    # It closes each connection, and says so only if told to.
    command += ["--add-header", "Connection: close", *options.split()]
    return LiveServer(command, cwd=ROOT, env=env)


class Site(NamedTuple):
    """The hosts of one site; each address must behave as the other."""

    urls: list[str]
    algorithm: str


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """URL of a Redis that keeps nothing."""
    options = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
    folder = str(tmp_path_factory.mktemp("redis"))
    command = [program("redis-server"), "--port", "{port}", "--dir", folder, *options]
    with LiveServer(command) as server:
        yield f"redis://{server.address}/0"


@pytest.fixture(scope="module", params=ALGORITHMS)
def algorithm(request):
    return request.param


@pytest.fixture(scope="module", params=["one-uwsgi", "two-uwsgi-and-redis"])
def site(request, algorithm):
    """The example of Digest on one host, or on two."""
    env = {"app_algorithm": algorithm}
    count = 1
    if request.param != "one-uwsgi":
        env["app_redis"] = request.getfixturevalue("redis")
        count = 2
    with ExitStack() as stack:
        servers = [
            stack.enter_context(uwsgi(EXAMPLES / "http_digest.py", **env))
            for _ in range(count)
        ]
        yield Site([server.url for server in servers], algorithm)
        for server in servers:
            assert "Traceback" not in server.log


def curl(*arguments, cwd=None):
    command = [program("curl"), "--silent", "--show-error", "--max-time", "20"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, cwd=cwd, timeout=60, check=True
    )
    return done.stdout.decode()


class TestClients:
    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("/user", ""),
            ("/user?a=1&b=%26", ""),
            ("/user/a%20b/%C5%99?x=%C3%A9", "a b/ř"),
            ("/user/emoji%20%F0%9F%A6%8A", "emoji 🦊"),
        ],
    )
    def test_curl(self, site, path, name):
        for url in site.urls:
            out = curl("--digest", "--user", "user:looser", url + path)
            assert out == f"Hello user! {name}\n"

    def test_curl_with_raw_bytes_in_the_path(self, site):
        out = curl("--digest", "-u", "user:looser", f"{site.urls[0]}/user/ř")
        assert out == "Hello user! ř\n"

    @pytest.mark.parametrize("user", ["user:wrong", "eve:looser", ":"])
    def test_curl_with_a_wrong_password(self, site, user):
        for url in site.urls:
            out = curl("-i", "--digest", "-u", user, url + "/user")
            assert re.findall(r"^HTTP/1.1 (\d+)", out, re.M)[-1] == "401"

    def test_requests(self, site):
        """One log-in, then the same nonce with counts of its own, on each host."""
        with requests.Session() as client:
            client.auth = requests.auth.HTTPDigestAuth("user", "looser")
            for number in range(20):
                url = f"{site.urls[number % len(site.urls)]}/user/{number}?n={number}"
                answer = client.get(url, timeout=20)
                assert answer.text == f"Hello user! {number}\n"
                assert bool(answer.history) is (number == 0)

    def test_httpx(self, site):
        auth = httpx.DigestAuth("user", "looser")
        with httpx.Client(auth=auth, timeout=20) as client:
            for number in range(10):
                url = f"{site.urls[number % len(site.urls)]}/user/{number}"
                assert client.get(url).text == f"Hello user! {number}\n"

    def test_many_clients_at_once(self, site):
        def log_in(number):
            auth = requests.auth.HTTPDigestAuth("user", "looser")
            url = f"{site.urls[number % len(site.urls)]}/user/{number}"
            texts = [requests.get(url, auth=auth, timeout=20).text for _ in range(3)]
            return texts == [f"Hello user! {number}\n"] * 3

        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(log_in, range(32)))


class TestReplay:
    def credentials(self, url, counts=(1,)):
        """Return headers of good requests that share one nonce."""
        auth = requests.auth.HTTPDigestAuth("user", "looser")
        auth.init_per_thread_state()
        challenge = requests.get(url, timeout=20).headers["WWW-Authenticate"]
        auth._thread_local.chal = requests.utils.parse_dict_header(challenge[7:])
        headers = {}
        for count in range(1, max(counts) + 1):
            headers[count] = {"Authorization": auth.build_digest_header("GET", url)}
        return [headers[count] for count in counts]

    def ask(self, site, headers):
        path = "/user/secret"
        return [
            requests.get(url + path, headers=headers, timeout=20) for url in site.urls
        ]

    def test_captured_request_is_refused_everywhere(self, site):
        """Sent often enough to meet each process of each host."""
        (headers,) = self.credentials(f"{site.urls[0]}/user/secret")
        first, *others = self.ask(site, headers)
        assert first.status_code == 200
        for answer in others + [a for _ in range(12) for a in self.ask(site, headers)]:
            assert answer.status_code == 401
            assert "stale=true" in answer.headers["WWW-Authenticate"]

    def test_of_many_at_once_one_is_let_in(self, site):
        (headers,) = self.credentials(f"{site.urls[0]}/user/secret")
        urls = [f"{url}/user/secret" for url in site.urls] * (16 // len(site.urls))
        with ThreadPoolExecutor(16) as pool:
            answers = pool.map(
                lambda url: requests.get(url, headers=headers, timeout=20), urls
            )
            statuses = Counter(answer.status_code for answer in answers)
        assert statuses == {200: 1, 401: 15}

    def test_parallel_requests_may_overtake_each_other(self, site):
        counts = [7, 3, 20, 1, 2, 19, 4, 18, 5, 17, 6, 16, 8, 15, 9, 14, 10, 13, 11, 12]
        url = f"{site.urls[0]}/user/secret"
        headers = self.credentials(url, counts)
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(
                lambda fields: requests.get(url, headers=fields, timeout=20), headers
            )
            assert [answer.status_code for answer in answers] == [200] * len(counts)


class TestRedisStore(StoreContract):
    @pytest.fixture
    def store(self, redis):
        store = RedisStore(redis, prefix=f"test-{uuid.uuid4()}:")
        yield store
        store._redis.close()

    def test_keys_have_the_prefix_and_an_end(self, store):
        store.add("key", "x", 60)
        (name,) = store._redis.keys(store._prefix + "*")
        assert 0 < store._redis.pttl(name) <= 60_000

    def test_client_of_your_own(self, redis):
        client = redis_client.Redis.from_url(redis, decode_responses=True)
        store = RedisStore(client, prefix=f"test-{uuid.uuid4()}:")
        assert store.add("key", "ř", 60)
        assert store.replace("key", "ř", "š", 60)
        assert store.get("key") == "š"


def test_store_in_the_cache_of_uwsgi():
    """The same contract, run inside of uWSGI."""
    with uwsgi(Path(__file__).with_name("uwsgi_store_app.py")) as server:
        results = requests.get(server.url, timeout=60).text.splitlines()
        log = server.log
    assert len(results) > 12, log
    assert [line for line in results if not line.endswith(": ok")] == []


@pytest.fixture(scope="module")
def urls(redis):
    """Two hosts whose sessions are in one Redis."""
    with (
        uwsgi(EXAMPLES / "redis_session.py", app_redis=redis) as one,
        uwsgi(EXAMPLES / "redis_session.py", app_redis=redis) as two,
    ):
        yield one.url, two.url


class TestSharedSessions:
    def test_session_is_on_both_hosts(self, urls):
        one, two = urls
        with requests.Session() as client:
            client.post(f"{one}/basket", data={"item": "book"}, timeout=20)
            client.post(f"{two}/login", data={"user": "joe"}, timeout=20)
            found = client.get(one, timeout=20).json()
            assert found == {"basket": ["book"], "user": "joe"}
            cookies = client.cookies.copy()
            client.post(f"{one}/logout", timeout=20)
        assert requests.get(two, cookies=cookies, timeout=20).json() == {}

    def test_no_update_is_lost(self, urls):
        first = requests.post(f"{urls[0]}/basket", data={"item": "0"}, timeout=20)

        def put(number):
            requests.post(
                f"{urls[number % 2]}/basket",
                data={"item": str(number)},
                cookies=first.cookies,
                timeout=20,
            ).raise_for_status()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, range(1, 13)))
        basket = requests.get(urls[1], cookies=first.cookies, timeout=20).json()[
            "basket"
        ]
        assert sorted(map(int, basket)) == list(range(13))

    def test_sealed_cookie_of_one_host_is_read_by_the_other(self):
        app = EXAMPLES / "poor_session.py"
        with uwsgi(app) as one, uwsgi(app) as two, requests.Session() as client:
            data = {"user": "joe", "password": "secret"}
            assert (
                "Hello joe"
                in client.post(f"{one.url}/login", data=data, timeout=20).text
            )
            assert "Hello joe" in client.get(f"{two.url}/private", timeout=20).text


STATUSES = {
    "session.py": [200, 200, 200],
    "poor_session.py": [302, 200, 200],
    "aes_session.py": [200, 200, 200],
    "http_digest.py": [200, 200, 401],
    "basic_auth.py": [401, 200, 401],
    "bearer.py": [401, 200, 403],
    "csrf.py": [200, 403, 200],
    "redis_session.py": [200, 200, 200],
}


@pytest.mark.parametrize("server", ["development", "uwsgi"])
@pytest.mark.parametrize("name", STATUSES)
def test_calls_of_the_examples(name, server, tmp_path):
    """What the first lines of an example say can be typed as it stands."""
    path = EXAMPLES / name
    env = {"app_token": "example-token", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "poorwsgi", "run", str(path), "--port", "{port}"]
    running = uwsgi(path, **env)
    if server == "development":
        running = LiveServer(command, cwd=ROOT, env={**os.environ, **SECRET, **env})
    text = re.search(r'"""(.*?)"""', path.read_text(), re.S)[1]
    lines = re.findall(r"^ +curl (.*)$", text, re.M)
    assert len(lines) == 3
    with running:
        for line, status in zip(lines, STATUSES[name], strict=True):
            arguments = shlex.split(line.replace("127.0.0.1:8080", running.address))
            out = curl(*arguments, cwd=tmp_path)
            assert int(re.findall(r"^HTTP/1\.[01] (\d+)", out, re.M)[-1]) == status
        assert "Traceback" not in running.log


@pytest.mark.parametrize("name", STATUSES)
def test_examples_name_an_application(name, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert callable(runpy.run_path(str(EXAMPLES / name))["application"])
