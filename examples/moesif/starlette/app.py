"""API analytics around a Starlette application.

Run it with ``python examples/moesif/starlette/app.py``, or under a server as
``examples/moesif/starlette/app.py:application``. ``COLLECTOR`` is the address of
the collector; ``make run-moesif MOESIF=starlette`` starts one that shows what arrives.

    curl -u ann:secret http://127.0.0.1:8080/orders
    curl --json '{"item": "tea", "card": "4111"}' http://127.0.0.1:8080/orders
    curl http://127.0.0.1:8080/health
"""

import json
import os

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from poorwsgi.moesif.asgi import MoesifMiddleware


async def list_orders(request):
    """List orders."""
    return JSONResponse({"orders": [{"id": 1, "item": "tea"}]})


async def add_order(request):
    """Take an order; the card shall not be seen by anybody."""
    order = json.loads(await request.body())
    request.state.company = "acme"
    return JSONResponse({"id": 2, "item": order["item"], "card": order["card"]})


async def health(request):
    """Tell that all is well."""
    return PlainTextResponse("ok")


def skip(request, response):
    """Leave health checks out."""
    return request.url.path == "/health"


def identify_user(request, response):
    """Say who asks; None leaves it to the Authorization header."""
    return request.headers.get("X-User")


def identify_company(request, response):
    """Say for whom; handlers may leave a note in the state."""
    return getattr(request.state, "company", None)


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


SETTINGS = {
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

application = Starlette(
    routes=[
        Route("/orders", list_orders),
        Route("/orders", add_order, methods=["POST"]),
        Route("/health", health),
    ],
    middleware=[Middleware(MoesifMiddleware, settings=SETTINGS)],
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(application, port=int(os.environ.get("PORT", "8080")))
