"""Outgoing calls of a program without any middleware.

Run it with ``python examples/moesif/outgoing.py URL ...``; it fetches each URL and
the collector at ``COLLECTOR`` gets an event of each call.

    python tests/fake_collector.py 9001 &
    python examples/moesif/outgoing.py http://127.0.0.1:8080/orders
    COLLECTOR=https://api.moesif.net python examples/moesif/outgoing.py URL
"""

import os
import sys

import requests

from poorwsgi.moesif import capture_outgoing


def skip(request, response):
    """Leave calls to the machine next door out."""
    return request.url.startswith("http://localhost")


def identify_user(request, response):
    """Say on whose behalf the call was made."""
    return request.headers.get("X-On-Behalf-Of")


def identify_company(request, response):
    """Say for whom."""
    return "acme"


def get_metadata(request, response):
    """Add whatever JSON can hold."""
    return {"seconds": response.elapsed.total_seconds()}


def get_session_token(request, response):
    """Tie the calls of one job together."""
    return f"job-{os.getpid()}"


def mask_event(event):
    """Hide what is nobody's business."""
    event.request.headers.pop("Authorization", None)
    return event


SETTINGS = {
    "APPLICATION_ID": os.environ.get("APPLICATION_ID", "your application id"),
    "BASE_URI": os.environ.get("COLLECTOR", "http://127.0.0.1:9001"),
    "SKIP_OUTGOING": skip,
    "IDENTIFY_USER_OUTGOING": identify_user,
    "IDENTIFY_COMPANY_OUTGOING": identify_company,
    "GET_METADATA_OUTGOING": get_metadata,
    "GET_SESSION_TOKEN_OUTGOING": get_session_token,
    "LOG_BODY_OUTGOING": True,
    "MASK_EVENT_MODEL": mask_event,
}


def main(urls):
    """Fetch each URL."""
    with capture_outgoing(SETTINGS):
        for url in urls:
            headers = {"X-On-Behalf-Of": "ann", "Authorization": "Bearer secret"}
            print(url, requests.get(url, headers=headers, timeout=10).status_code)


if __name__ == "__main__":
    main(sys.argv[1:])
