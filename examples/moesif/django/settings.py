"""Settings of the example project: what matters stands at the end."""

import os

ROOT_URLCONF = "urls"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
SECRET_KEY = os.environ.get("SECRET_KEY", "only for this example")
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # After session and authentication: their user and session are recorded.
    "poorwsgi.moesif.django.moesif_middleware",
]


def skip(request, response):
    """Leave health checks out."""
    return request.path == "/health"


def identify_user(request, response):
    """Say who asks; None leaves it to the Authorization header."""
    return request.headers.get("X-User")


def identify_company(request, response):
    """Say for whom; handlers may leave a note on the request."""
    return getattr(request, "company", None)


def get_metadata(request, response):
    """Add whatever JSON can hold."""
    return {"datacenter": "west", "language": request.headers.get("Accept-Language")}


def get_session_token(request, response):
    """Tie events of one visit together."""
    return request.headers.get("X-Session")


def mask_event(event):
    """Hide what is nobody's business, in both directions."""
    for body in (event.request.body, event.response.body):
        if isinstance(body, dict) and "card" in body:
            body["card"] = "*" * 4
    return event


MOESIF_MIDDLEWARE = {
    "APPLICATION_ID": os.environ.get("APPLICATION_ID", "your application id"),
    "BASE_URI": os.environ.get("COLLECTOR", "http://127.0.0.1:9001"),
    "SKIP": skip,
    "IDENTIFY_USER": identify_user,
    "IDENTIFY_COMPANY": identify_company,
    "GET_METADATA": get_metadata,
    "GET_SESSION_TOKEN": get_session_token,
    "MASK_EVENT_MODEL": mask_event,
    "REQUEST_HEADER_MASKS": ["Authorization", "Cookie"],
}
