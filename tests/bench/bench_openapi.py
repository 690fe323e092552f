"""What checking by an OpenAPI document costs: the plugin beside openapi-core.

    make bench-openapi [BENCH_ARGS=--quick]

The same application five times: bare, with the hooks that one writes by hand for
openapi-core (it unmarshals, as its documentation does first; or only validates),
and with `OpenAPIPlugin`, its schemas checked by jsonschema, or by jsonschema-rs as
the extra openapi-fast installs it. All check the request and the answer of valid
requests. Each runs in a process of its own; the processes take turns, so that a
noisy machine is noisy for all. What counts is processor time, medians, and that
of the bare route is taken off.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from poorwsgi import Application

BARE = "bare route"
#: A kind to what blocks its packages, if something does.
KINDS = {
    BARE: (),
    "openapi-core": (),
    "openapi-core, only validates": (),
    "plugin": ("jsonschema_rs",),
    "plugin, openapi-fast": (),
}
HAND = tuple(kind for kind in KINDS if kind.startswith("openapi-core"))
# The goal: a fifth of what the hooks by hand cost.
GOAL = 0.2

ORDER = {
    "type": "object",
    "required": ["customer", "items"],
    "properties": {
        "customer": {"type": "string", "minLength": 1, "maxLength": 80},
        "note": {"type": ["string", "null"]},
        "state": {"enum": ["open", "paid", "sent"]},
        "items": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "count"],
                "properties": {
                    "name": {"type": "string"},
                    "count": {"type": "integer", "minimum": 1},
                    "price": {"type": "number", "minimum": 0},
                },
            },
        },
    },
}
REFERENCE = {"$ref": "#/components/schemas/Order"}
ITEMS = [{"name": f"book {n}", "count": n + 1, "price": 9.5} for n in range(5)]
VALUE = {"customer": "Ann", "note": None, "state": "open", "items": ITEMS}
JSON = {"application/json": {"schema": REFERENCE}}
FORM = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
}


def parameter(place: str, name: str, kind: str, **more: Any) -> dict[str, Any]:
    schema = {"type": kind, **more}
    return {"in": place, "name": name, "required": place == "path", "schema": schema}


def answer(schema: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"200": {"description": "OK", "content": content}}


def make_document() -> dict[str, Any]:
    """Return a document of twelve paths, three of which are asked for."""
    other = {"get": {"responses": {"200": {"description": "OK"}}}}
    id_parameter = parameter("path", "id", "integer")
    query = [
        parameter("query", "limit", "integer", minimum=1, maximum=100),
        parameter("query", "state", "string", enum=["open", "paid"]),
    ]
    form = {"application/x-www-form-urlencoded": {"schema": FORM}}
    paths: dict[str, Any] = {
        f"/other/{n}/{{id}}": {"parameters": [id_parameter], **other} for n in range(9)
    }
    paths["/orders/{id}"] = {
        "parameters": [id_parameter],
        "get": {"parameters": query, "responses": answer(REFERENCE)},
    }
    paths["/orders"] = {
        "post": {
            "requestBody": {"required": True, "content": JSON},
            "responses": answer(REFERENCE),
        }
    }
    paths["/people"] = {
        "post": {
            "requestBody": {"required": True, "content": form},
            "responses": answer({"type": "object"}),
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Orders", "version": "1"},
        "paths": paths,
        "components": {"schemas": {"Order": ORDER}},
    }


# -- one application, in a process of its own ----------------------------------


def make_app(kind: str) -> Application:
    """Return the application, with what checks it."""
    app = Application(kind)
    app.set_route("/orders/<id:int>", lambda req, number: VALUE)
    app.set_route("/orders", lambda req: dict(req.json), "POST")
    app.set_route("/people", lambda req: {"name": req.form.getvalue("name")}, "POST")
    if kind in HAND:
        by_hand(app, "unmarshal" if kind == HAND[0] else "validate")
    elif kind != BARE:
        from poorwsgi.openapi import OpenAPIPlugin

        OpenAPIPlugin(app, make_document())
    return app


def by_hand(app: Application, verb: str) -> None:
    """Add two hooks as in examples/openapi3.py."""
    from openapi_core import OpenAPI

    from poorwsgi.openapi_wrapper import OpenAPIRequest, OpenAPIResponse

    spec = OpenAPI.from_dict(make_document())
    check_request = getattr(spec, f"{verb}_request")
    check_response = getattr(spec, f"{verb}_response")

    @app.before_response()
    def before(req: Any) -> None:
        req.api = OpenAPIRequest(req)
        result = check_request(req.api)
        if result is not None:
            result.raise_for_errors()

    @app.after_response()
    def after(req: Any, response: Any) -> Any:
        result = check_response(req.api, OpenAPIResponse(response))
        if result is not None:
            result.raise_for_errors()
        return response


#: Name of a row: method, path, query, type and body.
REQUESTS = {
    "GET, path and query": ("GET", "/orders/42", "limit=5&state=open", "", b""),
    "POST, JSON of five items": (
        *("POST", "/orders", "", "application/json"),
        json.dumps(VALUE).encode(),
    ),
    "POST, form": (
        *("POST", "/people", "", "application/x-www-form-urlencoded"),
        b"name=Ann&age=42",
    ),
}


def send(app: Application, row: tuple[str, str, str, str, bytes]) -> str:
    """Send a request; return the status line."""
    method, path, query, media_type, body = row
    lines: list[str] = []
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": media_type,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "application/json",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for _ in app(environ, lambda status, headers: lines.append(status)):
        pass
    return lines[0]


def run_child(kind: str, count: int) -> None:
    """Print processor time of each row, in microseconds."""
    for package in KINDS[kind]:
        sys.modules[package] = None  # type: ignore[assignment]  # not installed
    app = make_app(kind)
    report = {}
    for name, row in REQUESTS.items():
        for _ in range(max(20, count // 20)):
            assert send(app, row) == "200 OK"
        began = process_time()
        for _ in range(count):
            send(app, row)
        report[name] = (process_time() - began) / count * 1e6
    print(json.dumps(report))


# -- the table -----------------------------------------------------------------


def measure(rounds: int, count: int) -> dict[str, dict[str, list[float]]]:
    """Return {kind: {row: times}}."""
    times: dict[str, dict[str, list[float]]] = {
        kind: {name: [] for name in REQUESTS} for kind in KINDS
    }
    for _ in range(rounds):
        for kind, rows in times.items():
            # What costs milliseconds needs fewer requests for a steady figure.
            number = count // 10 if kind in HAND else count
            command = [sys.executable, __file__, "--child", kind]
            command += ["--count", str(number)]
            done = subprocess.run(
                command, check=True, timeout=600, stdout=subprocess.PIPE
            )
            for name, figure in json.loads(done.stdout).items():
                rows[name].append(figure)
    return times


def print_table(times: dict[str, dict[str, list[float]]]) -> None:
    """Print what each costs beyond the bare route."""
    print("microseconds of processor time per valid request; + is beyond the bare\n")
    print(f"| request | {' | '.join(KINDS)} | plugin / hooks by hand |")
    print("| --- |" + " --: |" * (len(KINDS) + 1))
    is_met = True
    for name in REQUESTS:
        figures = {kind: median(times[kind][name]) for kind in KINDS}
        bare = figures.pop(BARE)
        cost = {kind: figure - bare for kind, figure in figures.items()}
        hand = min(cost[kind] for kind in HAND)
        ratios = [cost[kind] / hand for kind in cost if kind not in HAND]
        is_met = is_met and max(ratios) <= GOAL
        cells = [f"{bare:.0f}", *(f"+{one:.0f}" for one in cost.values())]
        shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"| {name} | {' | '.join(cells)} | {shown} |")
    print(f"\ngoal {'met' if is_met else 'missed'}: at most {GOAL} of the cheaper one")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--child", choices=list(KINDS), help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.child:
        run_child(options.child, options.count)
        return
    if options.quick:
        options.count, options.rounds = 1000, 1
    print_table(measure(options.rounds, options.count))


if __name__ == "__main__":
    main()
