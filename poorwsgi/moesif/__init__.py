"""API analytics: records HTTP exchanges and sends them to a collector.

For WSGI here, for ASGI in ``poorwsgi.moesif.asgi``, for Django in
``poorwsgi.moesif.django``; for calls of a program without any of them
``capture_outgoing``. All of them share one core.
"""

from poorwsgi.moesif.client import APIException, MoesifAPIClient
from poorwsgi.moesif.model import EventModel, EventRequestModel, EventResponseModel
from poorwsgi.moesif.outgoing import capture_outgoing
from poorwsgi.moesif.wsgi import MoesifMiddleware

__all__ = [
    "APIException",
    "EventModel",
    "EventRequestModel",
    "EventResponseModel",
    "MoesifAPIClient",
    "MoesifMiddleware",
    "capture_outgoing",
]
