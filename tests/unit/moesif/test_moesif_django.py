"""What is special about Django: users, sessions, its request object."""

from __future__ import annotations

import base64
import io
import json
from types import SimpleNamespace

import moesif_django
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject
from moesif_worlds import AsyncDjango, Django, make_environ

from poorwsgi.moesif.django import MoesifMiddleware, moesif_middleware, user_of


def test_both_names_are_the_same_class():
    assert moesif_middleware is MoesifMiddleware


@pytest.mark.parametrize("given", [None, {}, "id", {"APPLICATION_ID": ""}])
def test_settings_are_checked(given):
    with (
        moesif_django.override(given),
        pytest.raises(ImproperlyConfigured, match="MOESIF_MIDDLEWARE"),
    ):
        MoesifMiddleware(None)


def test_no_settings_at_all(settings_without_ours):
    with pytest.raises(ImproperlyConfigured, match="MOESIF_MIDDLEWARE"):
        MoesifMiddleware(None)


@pytest.fixture
def settings_without_ours():
    from django.conf import settings

    with moesif_django.override({}):
        del settings.MOESIF_MIDDLEWARE
        yield


def test_a_dead_collector_does_not_stop_the_start(make_site):
    one = make_site(Django, BASE_URI="http://127.0.0.1:9")
    assert one.request("GET", "/text").status == 201


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nhello\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\ncontent\r\n--b--\r\n"
)


@pytest.mark.parametrize("kind", [Django, AsyncDjango])
@pytest.mark.parametrize(
    ("path", "content_type", "body", "answer"),
    [
        ("/echo", "application/json", b'{"a": 1}', b'{"a": 1}'),
        ("/read", "application/json", b'{"a": 1}', b'{"a": 1}'),
        ("/echo", None, b'{"a": 1}', b'{"a": 1}'),
        ("/upload", "multipart/form-data; boundary=b", FORM, b"title,file"),
        ("/upload", "application/x-www-form-urlencoded", b"a=1&b=2", b"a,b"),
    ],
)
def test_each_way_to_read_a_body(make_site, kind, path, content_type, body, answer):
    one = make_site(kind)
    headers = {"Content-Type": content_type} if content_type else {}
    assert one.request("POST", path, headers, body).body == answer
    recorded = one.event()["request"]["body"]
    if body[:1] == b"{":
        assert recorded == json.loads(body)
    else:
        assert base64.b64decode(recorded) == body


def test_a_body_that_was_read_before_is_found(make_site, collector):
    """Another middleware has asked for request.body."""
    make_site(Django)
    middleware = MoesifMiddleware(lambda request: HttpResponse(request.body))
    request = RequestFactory().post("/x", b'{"a": 1}', "application/json")
    assert request.body
    assert middleware(request).content == b'{"a": 1}'
    assert middleware.flush(5)
    assert collector.events[0]["request"]["body"] == {"a": 1}
    middleware.close(0)


def test_a_body_beyond_the_limit_of_the_project(make_site):
    one = make_site(Django)
    with moesif_django.override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=5):
        assert one.request("POST", "/unread", body=b"123456").status == 200
    assert "body" not in one.event()["request"]


def test_a_view_that_refuses_does_not_wait_for_the_body(make_site, collector):
    """Slow body: the answer would come when the client has sent the rest."""

    class Socket(io.RawIOBase):
        def read(self, size=-1):
            raise AssertionError("the client is waited for")

    make_site(Django)
    middleware = MoesifMiddleware(lambda request: HttpResponse(b"no", status=401))
    environ = make_environ("POST", "/x", CONTENT_LENGTH="5")
    environ["wsgi.input"] = Socket()
    assert middleware(WSGIRequest(environ)).content == b"no"
    assert middleware.flush(5)
    assert "body" not in collector.events[0]["request"]
    middleware.close(0)


def test_a_forbidden_host_is_recorded(make_site):
    one = make_site(Django)
    environ = make_environ("GET", "/text", HTTP_HOST="evil.test")
    one.world.handler(environ, lambda *args: None).close()
    assert one.event()["request"]["uri"] == "http://evil.test/text"


# Who it was


class User:
    is_authenticated = True

    def __init__(self, name):
        self.name = name

    def get_username(self):
        return self.name


USERS = [
    (User("alice"), "alice"),
    (User(""), None),
    (SimpleNamespace(is_authenticated=True, username="bob"), "bob"),
    (SimpleNamespace(is_authenticated=False, username="bob"), None),
    (SimpleLazyObject(lambda: User("carol")), "carol"),
    (None, None),
    ("nobody", None),
]


@pytest.mark.parametrize(("user", "name"), USERS, ids=range(len(USERS)))
def test_name_of_the_user(user, name):
    assert user_of(SimpleNamespace(user=user), None) == name


def test_without_authentication_there_is_no_user():
    assert user_of(SimpleNamespace(), None) is None


@pytest.mark.parametrize("kind", [Django, AsyncDjango])
@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (User("alice"), "alice"),
        (SimpleLazyObject(lambda: User("lazy")), "lazy"),
        (SimpleNamespace(is_authenticated=False), "key"),
        (SimpleLazyObject(lambda: 1 / 0), "key"),
    ],
    ids=["plain", "lazy", "nobody", "broken"],
)
def test_the_user_comes_before_the_header(make_site, monkeypatch, kind, user, expected):
    """One that cannot be loaded goes on to the header."""
    one = make_site(kind)
    respond = moesif_django.respond

    def with_user(request, name):
        request.user = user
        return respond(request, name)

    monkeypatch.setattr(moesif_django, "respond", with_user)
    assert one.request("GET", "/text", {"Authorization": "key"}).status == 201
    assert one.event()["user_id"] == expected


def test_the_async_user_is_awaited(make_site, monkeypatch):
    one = make_site(AsyncDjango)
    respond = moesif_django.respond

    def with_user(request, name):
        async def auser():
            return User("awaited")

        request.auser = auser
        request.user = SimpleLazyObject(lambda: 1 / 0)
        return respond(request, name)

    monkeypatch.setattr(moesif_django, "respond", with_user)
    one.request("GET", "/text")
    assert one.event()["user_id"] == "awaited"


@pytest.mark.parametrize("kind", [Django, AsyncDjango])
@pytest.mark.parametrize(
    ("options", "token"),
    [
        ({}, "session-key"),
        ({"GET_SESSION_TOKEN": lambda request, response: "given"}, "given"),
        ({"GET_SESSION_TOKEN": lambda request, response: None}, "session-key"),
    ],
)
def test_session_token(make_site, monkeypatch, kind, options, token):
    one = make_site(kind, **options)
    session = SimpleNamespace(session_key="session-key", accessed=False)
    respond = moesif_django.respond

    def with_session(request, name):
        request.session = session
        return respond(request, name)

    monkeypatch.setattr(moesif_django, "respond", with_session)
    one.request("GET", "/text")
    assert one.event()["session_token"] == token


def test_looking_at_the_user_does_not_make_the_response_vary():
    """Else every response would vary on the cookie."""
    session = SimpleNamespace(accessed=False)

    def load():
        session.accessed = True
        return User("alice")

    request = SimpleNamespace(session=session, user=SimpleLazyObject(load))
    assert user_of(request, None) == "alice"
    assert session.accessed is False


@pytest.mark.parametrize("kind", [Django, AsyncDjango])
def test_the_page_of_an_error_is_not_recorded(make_site, kind):
    """With DEBUG it shows settings and variables."""
    one = make_site(kind)
    with moesif_django.override_settings(DEBUG=True):
        reply = one.request("GET", "/fail")
    assert reply.status == 500
    assert reply.body
    response = one.event()["response"]
    assert response["status"] == 500
    assert "body" not in response


def test_an_error_that_comes_through_stays_the_same(make_site, collector):
    make_site(Django)
    error = RuntimeError("on purpose")

    def get_response(request):
        raise error

    middleware = MoesifMiddleware(get_response)
    with pytest.raises(RuntimeError) as caught:
        middleware(RequestFactory().get("/x"))
    assert caught.value is error
    assert middleware.flush(5)
    assert collector.events[0]["response"]["status"] == 500
    middleware.close(0)


def test_it_serves_both_worlds():
    assert MoesifMiddleware.sync_capable
    assert MoesifMiddleware.async_capable
