"""What a request costs when there is more of something: `python growth.py`.

Counted in instructions, see instructions.py: routes should cost nothing, headers,
cookies and arguments each the same.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

from instructions import count_blocks, run_blocks  # noqa: E402 - beside this
from scenarios import ENVIRON, at  # noqa: E402

ROUTES = (10, 100, 1000, 10_000)
SIZES = (0, 10, 20, 50)


def rows(most):
    """Yield name, application and environ of each row; at most so many routes."""
    from poorwsgi import Application

    for count in [count for count in ROUTES if count <= most]:
        app = Application(f"{count} routes")
        for number in range(count):
            app.set_route(f"/r{number}/<name>/<id:int>", lambda req, name, id: name)
        path = at(f"/r{count - 1}/joe/42")
        yield f"routes {count}", app, path
    app = Application("growth")
    app.set_route("/headers", lambda req: str(len(req.headers)))
    app.set_route("/cookies", lambda req: str(len(req.cookies or ())))
    app.set_route("/args", lambda req: str(len(req.args)))
    for count in SIZES:
        pairs = [f"name{n}=value{n}" for n in range(count)]
        headers = {f"HTTP_X_NAME_{n}": f"value {n}" for n in range(count)}
        yield f"headers {count}", app, at("/headers", **headers)
        yield f"cookies {count}", app, at("/cookies", HTTP_COOKIE="; ".join(pairs))
        yield f"args {count}", app, at("/args", "&".join(pairs))


def count_growth(most=10_000):
    """Return {kind: {size: instructions of a request}}."""
    command = [sys.executable, "-P", __file__, "--run", str(most)]
    found = count_blocks(command, str(ROOT))
    growth = {}
    for name, count in found.items():
        kind, size = name.split()
        growth.setdefault(kind, {})[int(size)] = count
    return growth


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        found = rows(int(sys.argv[2]))
        run_blocks({name: (app, ENVIRON | more, b"") for name, app, more in found})
    else:
        for kind, counts in count_growth().items():
            print(kind, counts)
