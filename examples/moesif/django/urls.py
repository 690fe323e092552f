"""Addresses and views of the example project."""

import json

from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def orders(request):
    """List orders, or take one; the card shall not be seen by anybody."""
    if request.method == "POST":
        order = json.loads(request.body)
        request.company = "acme"
        return JsonResponse({"id": 2, "item": order["item"], "card": order["card"]})
    return JsonResponse({"orders": [{"id": 1, "item": "tea"}]})


def health(request):
    """Tell that all is well."""
    return HttpResponse("ok")


urlpatterns = [path("orders", orders), path("health", health)]
