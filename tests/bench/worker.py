"""One framework in a process of its own, told what to do through pipes.

    python worker.py FRAMEWORK

Reads a JSON list a line from stdin and writes a JSON value a line to stdout.
The folder of the checkout is on the path of `ours` only.
"""

import importlib
import json
import os
import sys
from io import BytesIO
from pathlib import Path
from time import process_time

HERE = Path(__file__).parent
#: Framework to its file in apps/, less "_app.py" (its own name is taken).
FRAMEWORKS = {
    "raw": "raw",
    "ours": "ours",
    "falcon": "falcon",
    "wheezy": "wheezy",
    "bottle": "bottle",
    "werkzeug": "werkzeug",
    "flask": "flask",
    "PoorWSGI 2.8.1": "poorwsgi281",
}


def make_environ(scenario):
    """Return the environ of a scenario; the input is added to each copy."""
    from scenarios import ENVIRON

    environ = ENVIRON | {"wsgi.errors": sys.stderr} | scenario.environ
    if scenario.body:
        environ["CONTENT_LENGTH"] = str(len(scenario.body))
    return environ


def call_once(application, scenario):
    """Return status, headers and body of one call."""
    started = []
    environ = make_environ(scenario)
    environ["wsgi.input"] = BytesIO(scenario.body)
    result = application(environ, lambda *args: started.append(args))
    body = b"".join(result)
    if hasattr(result, "close"):
        result.close()
    return int(started[0][0].split()[0]), started[0][1], body


def time_calls(application, scenario, count):
    """Return the CPU seconds of so many calls, body drained and closed."""
    template, payload = make_environ(scenario), scenario.body

    def start_response(status, headers, exc_info=None):
        return None

    begin = process_time()
    for _ in range(count):
        environ = template.copy()
        environ["wsgi.input"] = BytesIO(payload)
        result = application(environ, start_response)
        for _ in result:
            pass
        close = getattr(result, "close", None)
        if close is not None:
            close()
    return process_time() - begin


class Worker:
    """Carries out the commands of the coordinator."""

    def __init__(self, framework):
        sys.path.insert(0, str(HERE / "apps"))
        self.module = importlib.import_module(FRAMEWORKS[framework] + "_app")
        from scenarios import SCENARIOS

        self.scenarios = {scenario.name: scenario for scenario in SCENARIOS}

    def has(self, name):
        """Tell whether the framework takes part in a row."""
        return name in self.module.APPLICATIONS

    def check(self, name):
        """Return None if the answer is right, else what came instead."""
        scenario = self.scenarios[name]
        status, _, body = call_once(self.module.APPLICATIONS[name], scenario)
        if scenario.accepts(status, body):
            return None
        return f"{status} {body[:200]!r}"

    def time(self, name, count):
        """Return CPU seconds of so many calls."""
        application = self.module.APPLICATIONS[name]
        return time_calls(application, self.scenarios[name], count)


def main(framework):
    """Serve commands until stdin ends."""
    # What a framework prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(framework)
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        print(
            json.dumps(getattr(worker, command)(*arguments)), file=answers, flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1])
