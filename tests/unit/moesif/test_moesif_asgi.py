"""What is special about ASGI: messages, lifespan, coroutines."""

from __future__ import annotations

import asyncio
import sys

import pytest
from moesif_worlds import PlainASGI, call_asgi, make_scope, read_body

from poorwsgi.moesif.asgi import MoesifMiddleware, see
from poorwsgi.moesif.core import finish_at_once


@pytest.fixture
def wrap(make_site):
    """Return a function that puts the middleware around an application."""

    def make(application, **options):
        one = make_site(PlainASGI, **options)
        one.middleware.app = application
        return one

    return make


def ok(*chunks, headers=()):
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    return application


def test_settings_are_checked():
    with pytest.raises(TypeError, match="must be a dict"):
        MoesifMiddleware(ok())
    with pytest.raises(ValueError, match="APPLICATION_ID"):
        MoesifMiddleware(ok(), settings={})


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nhello\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    b"content\r\n--b--\r\n"
)
FORM_TYPE = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize("path", ["/echo", "/unread"])
def test_a_form_is_recorded_as_its_fields(make_site, path):
    one = make_site(PlainASGI)
    one.request("POST", path, FORM_TYPE, FORM)
    request = one.event()["request"]
    assert request["body"] == {"title": "hello", "file": "a.txt"}
    assert request["transfer_encoding"] == "json"


def test_a_multipart_response_is_not_recorded(wrap):
    kind = [(b"content-type", b"multipart/byteranges; boundary=b")]
    one = wrap(ok(FORM, headers=kind))
    assert one.request("GET", "/").body == FORM
    assert "body" not in one.event()["response"]


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("POST", b'{"n": 1}')])
def test_middleware_of_starlette_around_it_works_on(make_site, method, body):
    """Each has a task group around receive(), which must not be given up."""
    from starlette.middleware.base import BaseHTTPMiddleware

    class Around(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            return await call_next(request)

    one = make_site(PlainASGI)
    scope = make_scope(method, "/unread", body=body)
    application = Around(Around(one.middleware))
    reply = asyncio.run(call_asgi(application, scope, [body]))
    assert (reply.status, reply.body) == (200, b"done")
    assert one.event()["request"].get("body") == ({"n": 1} if body else None)


def test_nothing_is_received_beside_the_application(wrap):
    """The application waits for the client to go away while it answers."""
    calls = []

    async def receive():
        calls.append("receive")
        await asyncio.sleep(3600)

    async def application(scope, receive, send):
        waiting = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await ok(b"x")(scope, receive, send)
        waiting.cancel()

    async def send(message):
        pass

    one = wrap(application)
    asyncio.run(one.middleware(make_scope("POST", "/", body=b"ab"), receive, send))
    assert calls == ["receive"]
    assert "body" not in one.event()["request"]


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("POST", {"Content-Length": "0"}),
        ("POST", {"Content-Length": "5", "Expect": "100-continue"}),
    ],
)
def test_no_body_is_asked_for_where_none_is(wrap, method, headers):
    async def receive():
        raise AssertionError("nobody has asked for the body")

    async def send(message):
        pass

    one = wrap(ok(b"x"))
    asyncio.run(one.middleware(make_scope(method, "/", headers), receive, send))
    assert one.event()["response"]["status"] == 200


def test_a_message_that_does_not_come_is_not_waited_for(wrap):
    given_up = []

    async def receive():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            given_up.append(True)
            raise

    async def send(message):
        given_up.append(message["type"])

    one = wrap(ok(b"x"))
    asyncio.run(one.middleware(make_scope("POST", "/"), receive, send))
    assert given_up == [
        "http.response.start",
        "http.response.body",
        True,
        "http.response.body",
    ]
    one.events(1)


def test_it_runs_without_asyncio(wrap):
    """Servers that run trio have no event loop of asyncio."""
    messages = [{"type": "lifespan.shutdown"}, {"type": "http.request", "body": b"{}"}]

    async def receive():
        return messages.pop()

    async def send(message):
        pass

    async def lifespan(scope, receive, send):
        await send({"type": "lifespan.shutdown.complete"})

    one = wrap(ok(b"x"))
    finish_at_once(one.middleware(make_scope("POST", "/"), receive, send))
    one.middleware.app = lifespan
    finish_at_once(one.middleware({"type": "lifespan"}, receive, send))
    assert len(one.collector.events) == 1


def test_other_scopes_pass(wrap):
    seen = []

    async def application(scope, receive, send):
        seen.append((scope["type"], await receive()))
        await send({"type": "websocket.accept"})

    one = wrap(application)

    async def receive():
        return {"type": "websocket.connect"}

    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(one.middleware({"type": "websocket"}, receive, send))
    assert seen == [("websocket", {"type": "websocket.connect"})]
    assert sent == [{"type": "websocket.accept"}]
    one.events(0)


@pytest.mark.parametrize("kind", ["complete", "failed"])
def test_the_end_of_the_lifespan_flushes(wrap, collector, kind):
    async def lifespan(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": f"lifespan.shutdown.{kind}"})

    one = wrap(ok(b"x"))
    one.request("GET", "/")
    one.middleware.app = lifespan
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append((message["type"], len(collector.events)))

    asyncio.run(one.middleware({"type": "lifespan"}, receive, send))
    assert sent == [("lifespan.startup.complete", 0), (f"lifespan.shutdown.{kind}", 1)]


def test_an_application_without_lifespan_says_so(wrap):
    async def application(scope, receive, send):
        raise NotImplementedError

    one = wrap(application)
    with pytest.raises(NotImplementedError):
        asyncio.run(one.middleware({"type": "lifespan"}, None, None))


def test_every_message_reaches_the_application(wrap):
    seen = []

    async def application(scope, receive, send):
        while True:
            message = await receive()
            seen.append(message)
            if not message.get("more_body"):
                break
        await ok(b"x")(scope, receive, send)
        seen.append(await receive())

    one = wrap(application)
    scope = make_scope("POST", "/")
    asyncio.run(call_asgi(one.middleware, scope, [b"a", b"", b"b"]))
    assert [message.get("body") for message in seen] == [b"a", b"", b"b", None]
    assert seen[-1] == {"type": "http.disconnect"}
    assert one.event()["request"]["body"] == "YWI="


def test_a_body_that_is_not_here_yet_is_not_waited_for(wrap):
    """An application that answers early is not held up by a slow client."""
    one = wrap(ok(b"early"))
    sent = []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = make_scope("POST", "/", {"content-length": "10"})
    run = asyncio.wait_for(one.middleware(scope, receive, send), 5)
    asyncio.run(run)
    assert sent[1]["body"] == b"early"
    assert "body" not in one.event()["request"]


def test_messages_read_by_us_are_not_lost_for_a_late_reader(wrap):
    late = []

    async def application(scope, receive, send):
        await ok(b"x")(scope, receive, send)
        late.append(await read_body(receive))

    one = wrap(application)
    asyncio.run(call_asgi(one.middleware, make_scope("POST", "/"), [b"a", b"b"]))
    assert late == [b"ab"]
    assert one.event()["request"]["body"] == "YWI="


def test_an_application_that_streams_both_ways(wrap):
    """It reads after it has begun to answer, as an echo does."""

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            body = message["body"].upper()
            await send({"type": "http.response.body", "body": body, "more_body": more})

    one = wrap(application)
    scope = make_scope("POST", "/")
    reply = asyncio.run(call_asgi(one.middleware, scope, [b"a", b"b", b"c"]))
    assert reply.chunks == [b"A", b"B", b"C"]
    assert one.event()["response"]["body"] == "QUJD"


def test_concurrent_requests_keep_their_ids(wrap):
    """Nothing about one request is kept on a shared object."""

    async def application(scope, receive, send):
        await asyncio.sleep(0.01 * (5 - int(scope["path"][1:])))
        await ok(scope["path"].encode())(scope, receive, send)

    one = wrap(application)

    async def many():
        scopes = [
            make_scope("GET", f"/{number}", {"X-Moesif-Transaction-Id": f"id{number}"})
            for number in range(5)
        ]
        return await asyncio.gather(*[call_asgi(one.middleware, s) for s in scopes])

    replies = asyncio.run(many())
    for number, reply in enumerate(replies):
        assert reply["x-moesif-transaction-id"] == f"id{number}"
    for event in one.events(5):
        number = event["request"]["uri"][-1]
        assert event["transaction_id"] == f"id{number}"


def test_a_client_that_goes_away_is_no_failure(wrap):
    error = OSError("client is gone")
    one = wrap(ok(b"one", b"two"))
    sent = []

    async def send(message):
        if len(sent) == 2:
            raise error
        sent.append(message)

    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(OSError, match="gone") as caught:
        asyncio.run(one.middleware(make_scope("GET", "/"), receive, send))
    assert caught.value is error
    assert one.event()["response"]["status"] == 200


def test_a_cancelled_stream_is_no_failure(wrap):
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.Event().wait()

    one = wrap(application)

    async def cancel():
        task = asyncio.create_task(call_asgi(one.middleware, make_scope("GET", "/")))
        while not one.middleware.sender._refreshing:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert one.event()["response"]["status"] == 200


def test_an_error_after_the_response_stays_the_same(wrap):
    """A background task fails; the exchange itself went well."""

    async def application(scope, receive, send):
        await ok(b"x")(scope, receive, send)
        raise RuntimeError("on purpose")

    one = wrap(application)
    with pytest.raises(RuntimeError, match="on purpose"):
        one.request("GET", "/")
    assert one.event()["response"]["status"] == 200


def test_an_application_that_never_answers(wrap):
    async def application(scope, receive, send):
        return

    one = wrap(application)
    with pytest.raises(IndexError):
        one.request("GET", "/")
    assert one.event()["response"]["status"] == 500


def test_the_event_does_not_wait_for_background_tasks(wrap, collector):
    async def application(scope, receive, send):
        await ok(b"x")(scope, receive, send)
        assert await asyncio.to_thread(one.middleware.flush, 10)
        assert len(collector.events) == 1

    one = wrap(application)
    one.request("GET", "/")
    one.event()


def test_headers_of_the_application_are_left_alone(wrap):
    headers = [(b"content-type", b"text/plain")]
    one = wrap(ok(b"x", headers=headers))
    for _ in range(3):
        one.request("GET", "/")
    assert headers == [(b"content-type", b"text/plain")]


def test_bodies_may_be_views(wrap):
    one = wrap(ok(bytearray(b"a"), memoryview(b"b")))
    one.request("GET", "/")
    assert one.event()["response"]["body"] == "YWI="


URIS = [
    # changes to the scope                                    uri
    ({}, "http://api.example.test/x?a=1"),
    ({"root_path": "/mount"}, "http://api.example.test/mount/x?a=1"),
    (
        {"root_path": "/mount", "path": "/mount/x"},
        "http://api.example.test/mount/x?a=1",
    ),
    ({"path": "/p\u00e1th"}, "http://api.example.test/p%C3%A1th?a=1"),
    ({"headers": []}, "http://127.0.0.1:8000/x?a=1"),
    ({"headers": [], "server": None}, "http://localhost/x?a=1"),
    ({"headers": [], "server": ("/run/s", None)}, "http:///run/s/x?a=1"),
    ({"scheme": "https"}, "https://api.example.test/x?a=1"),
    ({"query_string": b""}, "http://api.example.test/x"),
]


@pytest.mark.parametrize(("changes", "uri"), URIS)
def test_uri(changes, uri):
    assert see({**make_scope("GET", "/x?a=1"), **changes}).uri == uri


def test_minimal_scope():
    """What ASGI calls optional may be absent."""
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    assert see(scope).uri == "http://localhost/"
    assert see(scope).peer is None


@pytest.mark.parametrize("starlette", [True, False])
def test_callbacks_get_a_request(wrap, monkeypatch, starlette):
    """Starlette's, or one that looks like it where there is no Starlette."""
    if not starlette:
        monkeypatch.setitem(sys.modules, "starlette.requests", None)
    seen = {}

    async def metadata(request, response):
        seen.update(
            method=request.method,
            url=str(request.url),
            path=request.url.path,
            query=request.url.query,
            _url=request.url._url,
            header=request.headers["X-API-KEY"],
            missing=request.headers.get("x-none"),
            client=request.client[0],
            cookie=request.cookies["a"],
            parameter=request.query_params["b"],
            kind=request.scope["type"],
            state=request.state.user,
            body=await request.body(),
            status=response.status_code,
            type=response.headers["Content-Type"],
        )
        with pytest.raises(KeyError):
            response.headers["x-none"]
        with pytest.raises(AttributeError):
            _ = request.state.nobody
        return {}

    async def application(scope, receive, send):
        scope["state"]["user"] = "alice"
        await read_body(receive)
        await ok(b"x", headers=[(b"content-type", b"text/x")])(scope, receive, send)

    one = wrap(application, GET_METADATA=metadata)
    headers = {"x-api-key": "k", "cookie": "a=1; c=2"}
    one.request("POST", "/p?b=2", headers, b"body")
    one.event()
    url = "http://api.example.test/p?b=2"
    assert seen == {
        "method": "POST", "url": url, "path": "/p", "query": "b=2", "_url": url,
        "header": "k", "missing": None, "client": "192.0.2.1", "cookie": "1",
        "parameter": "2", "kind": "http", "state": "alice", "body": b"body",
        "status": 200, "type": "text/x",
    }  # fmt: skip
