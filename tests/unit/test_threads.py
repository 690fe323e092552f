"""An application serves many threads at once; no thread sees another's request."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from poorwsgi import Application, state
from poorwsgi.testing import TestClient

ROUNDS = 60


@pytest.fixture
def app(request):
    application = Application(request.node.nodeid)

    @application.route("/user/<name>/<number:int>")
    def user(req, name, number):
        return f"{name} {number} {req.path_args['name']} {req.args['n']}"

    @application.route("/json", method=state.METHOD_POST)
    def echo(req):
        return req.json

    @application.route("/cookie")
    def cookie(req):
        return req.cookies["who"].value

    @application.after_response()
    def named(req, res):
        res.add_header("X-Path", req.path)
        return res

    return application


def ask(app, who, barrier):
    """Ask many times, all threads from the same moment on."""
    client = TestClient(app)
    barrier.wait(30)
    for number in range(ROUNDS):
        path = f"/user/joe{who}/{number}"
        answer = client.get(f"{path}?n={who}")
        assert answer.text == f"joe{who} {number} joe{who} {who}"
        assert answer.headers["X-Path"] == path
        value = {"who": who, "number": number}
        assert client.post("/json", json=value).json == value
        headers = {"Cookie": f"a=1; who=w{who}"}
        assert client.get("/cookie", headers=headers).text == f"w{who}"
        if number % 20 == who % 20:  # the tables change while others are read
            app.set_route(f"/new/{who}/{number}", lambda req: "new")
            assert client.get(f"/new/{who}/{number}").text == "new"


@pytest.mark.parametrize("count", [1, 4, 16])
def test_each_thread_gets_its_own_answers(app, count):
    """Also while routes are set by some of them."""
    barrier = Barrier(count)
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(ask, app, who, barrier) for who in range(count)]:
            done.result()
