"""API analytics around a Pyramid application.

Run it with ``python examples/moesif/pyramid/app.py``, or under a server as
``examples/moesif/pyramid/app.py:application``. ``COLLECTOR`` is the address of
the collector; ``make run-moesif MOESIF=pyramid`` starts one that shows what arrives.

    curl -u ann:secret http://127.0.0.1:8080/orders
    curl --json '{"item": "tea", "card": "4111"}' http://127.0.0.1:8080/orders
    curl http://127.0.0.1:8080/health
"""

import json
import os
from wsgiref.simple_server import make_server

from pyramid.config import Configurator
from pyramid.response import Response

from poorwsgi.moesif import MoesifMiddleware


def list_orders(request):
    """List orders."""
    return {"orders": [{"id": 1, "item": "tea"}]}


def add_order(request):
    """Take an order; the card shall not be seen by anybody."""
    order = json.loads(request.body)
    request.environ["shop.company"] = "acme"
    return {"id": 2, "item": order["item"], "card": order["card"]}


def health(request):
    """Tell that all is well."""
    return Response("ok")


config = Configurator()
config.add_route("orders", "/orders")
config.add_route("health", "/health")
config.add_view(list_orders, route_name="orders", renderer="json", request_method="GET")
config.add_view(add_order, route_name="orders", renderer="json", request_method="POST")
config.add_view(health, route_name="health")
app = config.make_wsgi_app()


def skip(app, environ):
    """Leave health checks out."""
    return environ["PATH_INFO"] == "/health"


def identify_user(app, environ, response_headers):
    """Say who asks; None leaves it to the Authorization header."""
    return environ.get("HTTP_X_USER")


def identify_company(app, environ, response_headers):
    """Say for whom; handlers may leave a note in the environ."""
    return environ.get("shop.company")


def get_metadata(app, environ):
    """Add whatever JSON can hold."""
    return {"datacenter": "west", "language": environ.get("HTTP_ACCEPT_LANGUAGE")}


def get_session_token(app, environ):
    """Tie events of one visit together."""
    return environ.get("HTTP_X_SESSION")


def mask_event(event):
    """Hide what is nobody's business, in both directions."""
    for body in (event.request.body, event.response.body):
        if isinstance(body, dict) and "card" in body:
            body["card"] = "*" * 4
    return event


application = MoesifMiddleware(
    app,
    {
        "APPLICATION_ID": os.environ.get("APPLICATION_ID", "your application id"),
        "BASE_URI": os.environ.get("COLLECTOR", "http://127.0.0.1:9001"),
        "SKIP": skip,
        "IDENTIFY_USER": identify_user,
        "IDENTIFY_COMPANY": identify_company,
        "GET_METADATA": get_metadata,
        "GET_SESSION_TOKEN": get_session_token,
        "MASK_EVENT_MODEL": mask_event,
        "REQUEST_HEADER_MASKS": ["Authorization", "Cookie"],
    },
)

if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8080"))
    with make_server("127.0.0.1", port, application) as server:
        print(f"http://127.0.0.1:{server.server_port}/orders", flush=True)
        server.serve_forever()
