"""A Django project for the tests: settings, urls, views."""

from __future__ import annotations

import sys
from typing import Any

import django
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.test.utils import override_settings
from django.urls import path
from moesif_worlds import CHUNKS, JSON_TEXT, LARGE, ZIPPED, OopsError

from poorwsgi.moesif.django import MoesifMiddleware

if not settings.configured:
    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["api.example.test"],
        SECRET_KEY="only for tests",
        USE_TZ=True,
        LOGGING_CONFIG=None,
        MIDDLEWARE=[f"{__name__}.recording"],
        MOESIF_MIDDLEWARE={"APPLICATION_ID": "replaced by each test"},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    )
    django.setup()

#: The middleware that Django built last; Django keeps it to itself.
_made: list[MoesifMiddleware] = []


class Recording(MoesifMiddleware):
    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        _made.append(self)


recording = Recording


def latest() -> MoesifMiddleware:
    return _made[-1]


def override(given: dict[str, Any], **more: Any) -> Any:
    more.setdefault("ROOT_URLCONF", __name__)
    more.setdefault("MIDDLEWARE", [f"{__name__}.recording"])
    more.setdefault("ALLOWED_HOSTS", ["api.example.test"])
    return override_settings(MOESIF_MIDDLEWARE=given, **more)


def respond(request: Any, name: str) -> HttpResponse:
    response = HttpResponse(b"created", status=201, content_type="text/plain")
    if name == "json":
        response = HttpResponse(JSON_TEXT, content_type="application/json")
    elif name == "echo":
        response = HttpResponse(request.body)
    elif name == "read":
        response = HttpResponse(request.read())
    elif name == "upload":
        names = [*request.POST, *request.FILES]
        response = HttpResponse(",".join(names))
    elif name == "unread":
        response = HttpResponse(b"done")
    elif name == "empty":
        response = HttpResponse(status=204)
    elif name == "cookies":
        response = HttpResponse(b"cookies")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
    elif name == "zipped":
        response = HttpResponse(ZIPPED, headers={"Content-Encoding": "gzip"})
    elif name == "large":
        response = HttpResponse(b"x" * (LARGE + 1))
    elif name == "fail":
        raise OopsError("on purpose")
    return response


def view(request: Any, name: str) -> Any:
    if name == "stream":
        return StreamingHttpResponse(iter(CHUNKS))
    return respond(request, name)


async def async_view(request: Any, name: str) -> Any:
    if name == "stream":
        return StreamingHttpResponse(async_chunks())
    return respond(request, name)


async def async_chunks() -> Any:
    for chunk in CHUNKS:
        yield chunk


urlpatterns = [
    path("async/<name>", async_view),
    path("<name>", view),
]

# Where settings were configured by another test module, the names stand here.
sys.modules.setdefault("moesif_django", sys.modules[__name__])
