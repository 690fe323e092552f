"""A session in a cookie, there and back: ours beside itsdangerous.

    make bench-session [BENCH_ARGS=--quick]

One round trip is what a request costs: parse the Cookie header, open the
session, change it, seal it, render Set-Cookie. The rows take turns; medians of
CPU time are compared. itsdangerous signs only, so to do the same work it gets
the encryption of the cryptography package in front (Fernet).
"""

from __future__ import annotations

import argparse
import json
import sys
from http.cookies import SimpleCookie
from pathlib import Path
from statistics import median
from time import process_time

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from cryptography.fernet import Fernet
from itsdangerous import URLSafeTimedSerializer

from poorwsgi.aes_session import AESSession
from poorwsgi.cookies import parse_cookies
from poorwsgi.session import PoorSession

KEY = "a secret key of some length"
DATA = {
    "small": {"user": "john", "id": 42, "name": "John Doe", "visits": [1, 2, 3]},
    "2 kB": {"user": "john", "basket": [{"item": f"book {n}"} for n in range(90)]},
}
# The goal: sealed by us no slower than signed and encrypted by the others.
GOAL = 1.0


def ours(make, data):
    """Return a round trip through one of our session classes."""
    session = make()
    session.data = data
    cookie = session.header()[0][1].partition(";")[0]

    def round_trip():
        session = make()
        session.load(parse_cookies(cookie))
        session.data["visits"] = 5
        return session.header()

    return round_trip


def theirs(data, fernet):
    """Return a round trip through itsdangerous, encrypted if *fernet* is given."""
    signer = URLSafeTimedSerializer(KEY)

    def seal(data):
        if fernet is None:
            return signer.dumps(data)
        text = json.dumps(data, separators=(",", ":")).encode()
        return signer.dumps(fernet.encrypt(text).decode())

    def unseal(text):
        if fernet is None:
            return signer.loads(text)
        return json.loads(fernet.decrypt(signer.loads(text).encode()))

    cookie = f"SESSID={seal(data)}"

    def round_trip():
        data = unseal(SimpleCookie(cookie)["SESSID"].value)
        data["visits"] = 5
        answer = SimpleCookie()
        answer["SESSID"] = seal(data)
        answer["SESSID"]["path"] = "/"
        answer["SESSID"]["httponly"] = True
        return [("Set-Cookie", answer["SESSID"].OutputString())]

    return round_trip


def rows(data):
    """Return name to round trip."""
    return {
        "PoorSession": ours(lambda: PoorSession(KEY), data),
        "PoorSession, compress=None": ours(
            lambda: PoorSession(KEY, compress=None), data
        ),
        "AESSession": ours(lambda: AESSession(KEY), data),
        "itsdangerous, signed only": theirs(data, None),
        "itsdangerous + Fernet": theirs(data, Fernet(Fernet.generate_key())),
    }


def measure(trips, rounds, calls):
    """Return name to median of microseconds."""
    samples = {name: [] for name in trips}
    for _ in range(rounds):
        for name, trip in trips.items():
            begin = process_time()
            for _ in range(calls):
                trip()
            samples[name].append((process_time() - begin) / calls * 1e6)
    return {name: median(values) for name, values in samples.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    args = parser.parse_args()
    rounds, calls = (7, 100) if args.quick else (31, 400)
    print(f"Python {sys.version.split()[0]}, CPU us of a round trip (ratio)")
    missed = False
    for title, data in DATA.items():
        trips = rows(data)
        for name, trip in trips.items():
            assert trip()[0][1].startswith("SESSID="), name
        spent = measure(trips, rounds, calls)
        base = spent["itsdangerous + Fernet"]
        print(f"\n{title}:")
        for name, value in spent.items():
            print(f"  {name:30} {value:8.1f} ({value / base:.2f})")
        missed = missed or spent["PoorSession, compress=None"] > GOAL * base
    print("\n" + ("goal missed" if missed else "goal met") + ": ratio at most 1.0")


if __name__ == "__main__":
    main()
