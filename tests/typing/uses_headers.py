# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Headers, and the functions that read and write their values."""

from collections.abc import Mapping
from datetime import datetime
from typing import assert_type

from poorwsgi.headers import (
    Headers,
    datetime_to_http,
    http_to_datetime,
    http_to_time,
    parse_header,
    parse_negotiation,
    parse_range,
    render_negotiation,
    time_to_http,
)

headers = Headers()
headers = Headers([("Content-Type", "text/plain")])
headers = Headers({"Content-Type": "text/plain"})
headers = Headers(headers)
headers = Headers((("X-A", "1"),), strict=False)

mapping: Mapping[str, str] = headers
assert_type(headers["Content-Type"], str)
assert_type(headers.get("Content-Type"), str | None)
assert_type(headers.get("Content-Type", ""), str)
assert_type(headers.get("Content-Length", 0), str | int)
assert_type(headers.get("Content-Type", None), str | None)
assert_type(headers.get_all("Set-Cookie"), tuple[str, ...])
assert_type(headers.names(), tuple[str, ...])
assert_type(headers.keys(), tuple[str, ...])
assert_type(headers.values(), tuple[str, ...])
assert_type(headers.items(), tuple[tuple[str, str], ...])
assert_type(headers.setdefault("X-A", "1"), str)
assert_type(dict(headers), dict[str, str])
for pair in headers:
    assert_type(pair, tuple[str, str])
assert_type("X-A" in headers, bool)
headers["X-A"] = "1"
del headers["X-A"]
headers.add("X-A", "2")
headers.add_header("Accept", [("text/html", 0.5), ("*/*",)])
headers.add_header("Content-Disposition", "attachment", filename="a.txt", size=None)
headers["X-A"] = 1  # type: ignore[assignment]

assert_type(parse_header("text/plain; charset=utf-8"), tuple[str, dict[str, str]])
assert_type(parse_negotiation("gzip;q=0.5"), list[tuple[str, float]])
assert_type(render_negotiation([("gzip", 0.5)]), str)
assert_type(parse_range("bytes=0-1"), dict[str, list[tuple[int | None, int | None]]])
assert_type(time_to_http(), str)
assert_type(time_to_http(0), str)
assert_type(http_to_time("Thu, 01 Jan 1970 00:00:00 GMT"), int)
assert_type(http_to_datetime("Thu, 01 Jan 1970 00:00:00 GMT"), datetime)
assert_type(datetime_to_http(datetime(2026, 1, 1)), str)
