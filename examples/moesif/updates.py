"""Users, companies and subscriptions, told to the collector.

By the middleware, which logs what goes wrong and raises nothing, and by the
client, which raises. Both post at once.

    python tests/fake_collector.py 9001 &
    python examples/moesif/updates.py
"""

import os

from poorwsgi.moesif import APIException, MoesifAPIClient, MoesifMiddleware

APPLICATION_ID = os.environ.get("APPLICATION_ID", "your application id")
COLLECTOR = os.environ.get("COLLECTOR", "http://127.0.0.1:9001")

USER = {
    "user_id": "ann",
    "company_id": "acme",
    # Where the visitor came from, as the link said.
    "campaign": {"utm_source": "newsletter", "utm_campaign": "spring"},
    # Whatever JSON can hold, nested as you like.
    "metadata": {
        "email": "ann@acme.example",
        "name": "Ann",
        "plan": {"name": "small", "seats": 3},
    },
}
COMPANY = {
    "company_id": "acme",
    "company_domain": "acme.example",
    "campaign": {"utm_medium": "fair", "referring_domain": "fair.example"},
    "metadata": {
        "employees": 12,
        "address": {"city": "Brno", "country": "CZ"},
        "tags": ["customer", "pilot"],
    },
}
SUBSCRIPTION = {
    "subscription_id": "sub-1",
    "company_id": "acme",
    "status": "active",
    "current_period_start": "2026-11-01T00:00:00.000",
    "current_period_end": "2026-12-01T00:00:00.000",
    "metadata": {"price": {"amount": 20, "currency": "EUR"}},
}


def site(environ, start_response):
    """Stand for the application."""
    start_response("204 No Content", [])
    return []


application = MoesifMiddleware(
    site, {"APPLICATION_ID": APPLICATION_ID, "BASE_URI": COLLECTOR}
)


def by_middleware():
    """Use the middleware that is there anyway, for instance after a log-in."""
    application.update_user(USER)
    application.update_users_batch([USER, {"user_id": "bob"}])
    application.update_company(COMPANY)
    application.update_companies_batch([COMPANY, {"company_id": "other"}])
    application.update_subscription(SUBSCRIPTION)
    application.update_subscriptions_batch([SUBSCRIPTION])


def by_client():
    """Use the client in a program that serves nothing, and see what fails."""
    api = MoesifAPIClient(APPLICATION_ID, COLLECTOR).api
    try:
        api.update_user(USER)
        api.update_users_batch([USER, {"user_id": "bob"}])
        api.update_company(COMPANY)
        api.update_companies_batch([COMPANY, {"company_id": "other"}])
        api.update_subscription(SUBSCRIPTION)
        api.update_subscriptions_batch([SUBSCRIPTION])
    except APIException as error:
        print(f"not taken ({error.response_code}): {error}")


if __name__ == "__main__":
    by_middleware()
    by_client()
