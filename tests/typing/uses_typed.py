# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Handlers whose parameters are read from the request by their annotations."""

from dataclasses import dataclass
from typing import Annotated, Any, TypedDict, assert_type

from poorwsgi import Application
from poorwsgi.openapi import document, openapi_ui, operation
from poorwsgi.openapi_plugin import OpenAPIPlugin
from poorwsgi.request import Request
from poorwsgi.typed import Body, Cookie, Header, Query, typed

app = Application("uses_typed")


@dataclass
class Item:
    name: str
    price: float = 0.0


class Page(TypedDict):
    number: int
    items: list[str]


@app.get("/items/<id:int>")
@typed
def item(req: Request, id: int, full: bool = False) -> Item:
    return Item(str(id))


@app.post("/items")
@operation(summary="Make an item", tags=["items"], responses={201: Item})
@typed(status=201)
def make_item(req: Request, item: Item) -> Item:
    return item


@app.get("/pages")
@typed
def page(
    req: Request,
    number: Annotated[int, Query("page", ge=1, le=100)] = 1,
    agent: Annotated[str, Header("User-Agent")] = "",
    token: Annotated[str | None, Cookie()] = None,
    more: Annotated[list[int] | None, Body(description="more")] = None,
) -> Page:
    return {"number": number, "items": []}


def calls(req: Request) -> None:
    """A typed handler is called in a test as it was written."""
    assert_type(item(req, id=1, full=True), Item)
    assert_type(make_item(req, Item("a")), Item)
    assert_type(page(req, number=2, token=None), Page)
    item(req, id="1")  # type: ignore[arg-type]
    typed(status="201")  # type: ignore[call-overload]
    Query(ge="1")  # type: ignore[arg-type]


assert_type(app.openapi(title="Items", version="1"), dict[str, Any])
assert_type(document(app), dict[str, Any])
app.openapi_ui("/docs")
openapi_ui(app, "/docs")
plugin = OpenAPIPlugin(app, "openapi.json", strict=True, check_answers=False)
