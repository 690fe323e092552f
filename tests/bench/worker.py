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

from scenarios import BY_NAME, ENVIRON

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


def make_environ(application, scenario):
    """Return the environ of a scenario; the input is added to each copy."""
    environ = ENVIRON | {"wsgi.errors": sys.stderr} | scenario.environ
    if scenario.body:
        environ["CONTENT_LENGTH"] = str(len(scenario.body))
    if scenario.prime is not None:
        environ |= scenario.prime(call(application, environ)[1])
    return environ


def call(application, environ, payload=b""):
    """Return status, headers and body of one call."""
    started = []
    environ = environ | {"wsgi.input": BytesIO(payload)}
    result = application(environ, lambda *args: started.append(args))
    body = b"".join(result)
    if hasattr(result, "close"):
        result.close()
    return int(started[0][0].split()[0]), started[0][1], body


def call_often(application, template, payload, count):
    """Call an application so many times, body drained and closed."""

    def start_response(status, headers, exc_info=None):
        return None

    for _ in range(count):
        environ = template.copy()
        environ["wsgi.input"] = BytesIO(payload)
        result = application(environ, start_response)
        for _ in result:
            pass
        close = getattr(result, "close", None)
        if close is not None:
            close()


class Worker:
    """Carries out the commands of the coordinator."""

    def __init__(self, framework):
        sys.path[:0] = [str(HERE), str(HERE / "apps")]
        self.module = importlib.import_module(FRAMEWORKS[framework] + "_app")
        self.environs = {}

    def has(self, name):
        """Tell whether the framework takes part in a row."""
        return name in self.module.APPLICATIONS or name in self.module.FACTORIES

    def application(self, name):
        """Return the application of a row."""
        applications = self.module.APPLICATIONS
        if name not in applications:
            applications[name] = self.module.FACTORIES[name]()
        return applications[name]

    def environ(self, name):
        """Return the environ of a row."""
        if name not in self.environs:
            environ = make_environ(self.application(name), BY_NAME[name])
            self.environs[name] = environ
        return self.environs[name]

    def check(self, name):
        """Return None if the answer is right, else what came instead."""
        scenario = BY_NAME[name]
        answer = call(self.application(name), self.environ(name), scenario.body)
        if scenario.accepts(*answer):
            return None
        status, headers, body = answer
        return f"{status} {headers} {body[:200]!r}"

    def time(self, name, count):
        """Return CPU seconds of so many calls."""
        arguments = self.application(name), self.environ(name), BY_NAME[name].body
        begin = process_time()
        call_often(*arguments, count)
        return process_time() - begin


def serve(framework):
    """Carry out commands until stdin ends."""
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
    serve(sys.argv[1])
