"""Send all attacks to one framework; print a verdict for each as JSON.

python worker.py "Flask" FOLDER
"""

import json
import logging
import signal
import sys
import time

from apps import APPLICATIONS
from attacks import ATTACKS, environ_of

#: Seconds of one answer, before it is called a hang.
LIMIT = 5
SLOW = 1.5


rung = []


def alarm(*_):
    rung.append(True)
    raise TimeoutError  # which some frameworks answer by a 500


def answer(app, environ):
    """Return status, headers and body as a server would see them."""
    started = []
    body = app(
        environ, lambda status, pairs, info=None: started.append((status, pairs))
    )
    try:
        data = b"".join(body)
    finally:
        getattr(body, "close", lambda: None)()
    return int(started[-1][0][:3]), started[-1][1], data


def fault(attack, status, pairs, body):
    """Say what is wrong with an answer, "" if nothing is."""
    if status >= 500 and not (status == 501 and attack.method == "BREW"):
        if "line break" in attack.name and status == 500:
            return ""  # refused where the header is made: the handler's mistake
        return str(status)
    for name, value in pairs:
        if "\r" in value or "\n" in value:
            return "header split"
        if name.lower() == "location" and value.startswith(("//", "/\\")):
            return "leads away"
    if attack.refused and status < 300:
        return "taken"
    if attack.without and attack.without in body:
        return "shown"
    if attack.contains and attack.contains not in body:
        return f"lost, {status}"
    if attack.method == "HEAD" and body:
        return "has a body"
    return ""


def verdict(app, attack, files):
    rung.clear()
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    since = time.thread_time()
    try:
        wrong = fault(attack, *answer(app, environ_of(attack, files)))
    except BaseException as error:
        wrong = type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if rung:
        return "hangs"
    took = time.thread_time() - since
    return wrong or (f"{took:.1f} s" if took > SLOW else "")


def main():
    name, root = sys.argv[1:]
    logging.disable()
    sys.stderr = open("/dev/null", "w")  # noqa: SIM115 - to the end
    signal.signal(signal.SIGALRM, alarm)
    app, files = APPLICATIONS[name](root)
    json.dump([verdict(app, attack, files) for attack in ATTACKS], sys.stdout)


main()
