"""Risk cookies: the envelope, version 3, version 1, data enrichment.

Text in, checked values out, or a ValueError. No clock, no request, no
network. The only module that needs cryptography.
"""

from __future__ import annotations

import base64
import hmac
import json
import math
import re
from hashlib import pbkdf2_hmac
from typing import TYPE_CHECKING, Any, NamedTuple

from poorwsgi.perimeterx.context import as_bytes

try:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC
except ImportError as err:
    raise ImportError(
        "poorwsgi.perimeterx needs: pip install 'poorwsgi[perimeterx]'"
    ) from err

if TYPE_CHECKING:
    from typing import TypeGuard

#: About 5 ms; what a client can make us spend on one request.
MAX_ROUNDS = 10_000
#: Real cookies have one level or two. Deeper ones could make the later
#: writing of JSON fail, far away from here.
MAX_DEPTH = 8

ACTIONS = frozenset("cbjr")

_NESTING = (dict, list)
_ROUNDS = re.compile(r"[0-9]{1,5}")


class Risk(NamedTuple):
    """A decoded cookie. Whether it is signed is another question."""

    version: int
    fields: dict[str, Any]
    score: float
    expires: float
    action: str
    uuid: str
    vid: str
    hmac: str
    #: The text that version 3 signs.
    body: str


def decode(version: int, value: str, key: bytes, encrypted: bool = True) -> Risk:
    """Decode the value of `_px3` (version 3) or `_px` (version 1).

    Anything that is not as it should be is a ValueError.
    """
    if version == 3:
        return decode_v3(value, key, encrypted)
    return decode_v1(value, key, encrypted)


def decode_v3(value: str, key: bytes, encrypted: bool) -> Risk:
    # Without the signature there is one part less, and the signature is "".
    parts = 4 if encrypted else 2
    signature, body = "", value
    if value.count(":") == parts - 1:
        signature, _, body = value.partition(":")
    fields = open_body(body, key, encrypted)
    return Risk(
        version=3,
        fields=fields,
        score=number(fields, "s"),
        expires=number(fields, "t"),
        action=known_action(string(fields, "a")),
        uuid=string(fields, "u"),
        vid=optional_string(fields, "v"),
        hmac=signature,
        body=body,
    )


def decode_v1(value: str, key: bytes, encrypted: bool) -> Risk:
    fields = open_body(value, key, encrypted)
    scores = fields.get("s")
    if not isinstance(scores, dict):
        raise ValueError("field s is no object")
    number(scores, "a")
    return Risk(
        version=1,
        fields=fields,
        score=number(scores, "b"),
        expires=number(fields, "t"),
        action="c",
        uuid=string(fields, "u"),
        vid=optional_string(fields, "v"),
        hmac=string(fields, "h"),
        body=value,
    )


def is_signed(risk: Risk, key: bytes, agent: bytes, ip: str) -> bool:
    """Tell whether the service signed this cookie for this visitor."""
    given = as_bytes(risk.hmac)
    # Not any(): every candidate is computed, whichever matches.
    matches = [
        hmac.compare_digest(given, as_bytes(signature(key, text)))
        for text in signed_texts(risk, agent, ip)
    ]
    return True in matches


def signed_texts(risk: Risk, agent: bytes, ip: str) -> list[bytes]:
    """Return the texts, one of which the signature has to be of."""
    if risk.version == 3:
        return [as_bytes(risk.body) + agent]
    scores = risk.fields["s"]
    text = f"{int(risk.expires)}{int(scores['a'])}{int(scores['b'])}"
    start = f"{text}{risk.uuid}{risk.vid}".encode("utf-8", "surrogatepass")
    return [start + agent, start + as_bytes(ip) + agent]


def signature(key: bytes, text: bytes) -> str:
    """Return the lower-case hex of HMAC-SHA256."""
    return hmac.digest(key, text, "sha256").hex()


def open_body(body: str, key: bytes, encrypted: bool) -> dict[str, Any]:
    """Return the object inside `SALT:ITERATIONS:DATA`, or inside base64."""
    plain = decrypt(body, key) if encrypted else unbase64(body)
    fields = load_json(plain)
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")
    return fields


def decrypt(body: str, key: bytes) -> bytes:
    salt, rounds, data = body.split(":")
    if not _ROUNDS.fullmatch(rounds) or not 1 <= int(rounds) <= MAX_ROUNDS:
        raise ValueError("iterations out of range")
    encrypted = unbase64(data)
    # Checked before the expensive part, so that junk is cheap.
    if not encrypted or len(encrypted) % 16:
        raise ValueError("data is not whole blocks")
    derived = pbkdf2_hmac("sha256", key, unbase64(salt), int(rounds), 48)
    decryptor = Cipher(AES(derived[:32]), CBC(derived[32:])).decryptor()
    plain = decryptor.update(encrypted) + decryptor.finalize()
    if not 1 <= plain[-1] <= 16:
        raise ValueError("no padding")
    return plain[: -plain[-1]]


def unbase64(text: str) -> bytes:
    """Decode standard base64, nothing more lenient."""
    return base64.b64decode(text, validate=True)


def load_json(data: bytes | str) -> Any:
    """Parse strict JSON of a sane depth; raise only ValueError."""
    if isinstance(data, bytes):
        data = data.decode("utf-8")
    try:
        value = _DECODER.decode(data)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return copied(value)


def copied(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Copy containers all the way down, up to a depth."""
    if not isinstance(value, dict | list):
        return value
    if not depth:
        raise ValueError("nested too deep")
    # PERF: most values are no containers and need no call.
    if isinstance(value, list):
        return [copied(v, depth - 1) if type(v) in _NESTING else v for v in value]
    return {
        name: copied(v, depth - 1) if type(v) in _NESTING else v
        for name, v in value.items()
    }


def no_number(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def finite(text: str) -> float:
    """Convert a number; 1e999 would become infinity, which is none."""
    value = float(text)
    if math.isinf(value):
        raise ValueError("number out of range")
    return value


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(fields: dict[str, Any], name: str) -> float:
    value = fields.get(name)
    if not is_number(value):
        raise ValueError(f"field {name} is no number")
    return value


def string(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"field {name} is no text")
    return value


def optional_string(fields: dict[str, Any], name: str) -> str:
    return "" if fields.get(name) is None else string(fields, name)


def known_action(action: object) -> str:
    """Return the action; what we do not know is treated as a captcha."""
    return action if isinstance(action, str) and action in ACTIONS else "c"


# PERF: json.loads() with options makes a decoder at each call, 4 us of 8.
_DECODER = json.JSONDecoder(parse_constant=no_number, parse_float=finite)


def decode_enrichment(value: str, key: bytes) -> tuple[Any, bool]:
    """Return the value of `_pxde` and whether the service signed it.

    A broken one is a ValueError. The signature is of the base64 text.
    """
    given, _, encoded = value.partition(":")
    data = load_json(unbase64(encoded))
    expected = signature(key, as_bytes(encoded))
    return data, hmac.compare_digest(as_bytes(given), as_bytes(expected))
