"""The commands that look at an application: routes, match, check, profile, doctor.

Each is a function that adds its parser; what it runs is set as ``call``, gets the
parsed arguments and returns the exit status: 0 done, 1 found problems or failed,
2 wrong usage. Lists are for people by default, plain where stdout is no terminal
or NO_COLOR is set, and for programs with ``--json``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poorwsgi.target import LoadError, UsageError, add_application, load_application

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poorwsgi.target import Subparsers

_STYLES = {"bold": "1", "soft": "2", "red": "31", "green": "32", "yellow": "33"}


# -- output --------------------------------------------------------------------


def styled(text: str, style: str) -> str:
    """Return a text in a style of the terminal, if there is one."""
    if "NO_COLOR" in os.environ or not sys.stdout.isatty():
        return text
    return f"\033[{_STYLES[style]}m{text}\033[0m"


def print_table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    """Print rows in columns as wide as they need."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for number, row in enumerate([head, *rows]):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        line = "  ".join(cells).rstrip()
        print(styled(line, "bold") if number == 0 else line)


def print_json(data: Any) -> None:
    """Print values for programs."""
    print(json.dumps(data, indent=2, default=str))


def load(args: argparse.Namespace) -> Any:
    """Return the application of the arguments, one of ours.

    :raises UsageError: it is of another framework
    """
    application = load_application(args.application)
    if not hasattr(application, "regular_routes"):
        kind = type(application).__name__
        raise UsageError(f"{args.application} is a {kind}, not a poorwsgi Application")
    return application


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _count(text: str) -> int:
    """Read a number of lines."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError("give a number of lines")
    return int(text)


def _seconds(text: str) -> float:
    """Read a time limit."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError("give a number of seconds above 0")
    return seconds


# -- routes --------------------------------------------------------------------


def routes(args: argparse.Namespace) -> int:
    """List the routes of an application."""
    from poorwsgi.inspector import as_data, inspect_application

    info = inspect_application(load(args))
    found = [*info.routes, *info.defaults]
    if args.json:
        print_json(as_data(found))
        return 0
    rows = [
        (
            "|".join(route.methods),
            route.rule,
            route.handler.name + (f" (mount {route.mount})" if route.mount else ""),
            route.handler.place,
            route.name,
        )
        for route in found
    ]
    print_table(rows, ("METHODS", "RULE", "HANDLER", "SOURCE", "NAME"))
    return 0


def add_routes(commands: Subparsers) -> None:
    """Add ``routes``."""
    parser = commands.add_parser(
        "routes",
        help="list the routes of an application",
        description="List the routes in the order in which they are tried.",
    )
    add_application(parser)
    _add_json(parser)
    parser.set_defaults(call=routes)


# -- match ---------------------------------------------------------------------


def match(args: argparse.Namespace) -> int:
    """Say which route answers, and why the others do not; 1 if there is none."""
    from poorwsgi.inspector import as_data, explain

    found = explain(load(args), args.method, args.url)
    is_hit = found.status < 400
    if args.json:
        print_json(as_data(found))
        return 0 if is_hit else 1
    print(f"{found.method} {found.path}: {styled(found.outcome, _hit(is_hit))}")
    if found.handler is not None:
        values = "".join(f", {one.name} = {one.value}" for one in found.arguments)
        print(f"handler {found.handler.name} ({found.handler.place}){values}")
    reasons = sorted(found.routes, key=lambda one: not one.matches)
    shown = [
        ("*" if one.matches else "", one.rule, "|".join(one.methods), one.reason)
        for one in reasons
    ]
    if shown:
        print()
        print_table(shown, ("", "RULE", "METHODS", "WHY"))
    return 0 if is_hit else 1


def _hit(is_hit: bool) -> str:
    return "green" if is_hit else "red"


def add_match(commands: Subparsers) -> None:
    """Add ``match``."""
    parser = commands.add_parser(
        "match",
        help="say which route a URL has, and why the others do not match",
        description="Say which route a URL has. No handler is called.",
    )
    add_application(parser)
    parser.add_argument("method", metavar="METHOD", help="GET, POST, ...")
    parser.add_argument("url", metavar="URL", help="a path, or a whole URL")
    _add_json(parser)
    parser.set_defaults(call=match)


# -- check ---------------------------------------------------------------------


def check(args: argparse.Namespace) -> int:
    """List what is used wrongly; 1 if there is anything of the level asked for."""
    findings = load(args).check()
    if args.json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            color = "red" if finding.level == "error" else "yellow"
            place = f"{finding.place}: " if finding.file else ""
            print(f"{place}{styled(finding.level, color)}: {finding.message}")
            print(styled(f"    [{finding.code}]", "soft"))
        print(_counted(findings), file=sys.stderr)
    levels = {"error"} if args.errors else {"error", "warning"}
    return 1 if any(finding.level in levels for finding in findings) else 0


def _counted(findings: Sequence[Any]) -> str:
    if not findings:
        return "Nothing wrong was found."
    errors = sum(finding.level == "error" for finding in findings)
    return f"{_amount(errors, 'error')}, {_amount(len(findings) - errors, 'warning')}"


def _amount(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def add_check(commands: Subparsers) -> None:
    """Add ``check``."""
    parser = commands.add_parser(
        "check",
        help="find wrong use before a request does",
        description="Find routes that are never reached, handlers that do not fit "
        "their rule, settings that do not work, and more. Nothing is called.",
    )
    add_application(parser)
    _add_json(parser)
    parser.add_argument(
        "--errors", action="store_true", help="let warnings pass with status 0"
    )
    parser.set_defaults(call=check)


# -- profile -------------------------------------------------------------------


def profile(args: argparse.Namespace) -> int:
    """Show a stored profile as a table, and write other forms of it."""
    from poorwsgi.profiling import Profile

    try:
        found = Profile.load(args.file)
    except OSError as err:
        raise UsageError(f"{args.file}: {err.strerror}") from err
    except ValueError as err:
        raise UsageError(str(err)) from err
    title = Path(args.file).name
    if args.svg:
        _write(args.svg, found.flame_graph(title))
    if args.speedscope:
        _write(args.speedscope, json.dumps(found.speedscope(title)))
    table = found.table(args.lines)
    if args.json:
        print_json([asdict(row) for row in table])
        return 0
    print(f"{title}: {found.total * 1000:.2f} ms, {found.calls} calls")
    rows = [
        (
            f"{row.total * 1000:.3f}",
            f"{row.own * 1000:.3f}",
            str(row.calls),
            row.name,
            row.place,
        )
        for row in table
    ]
    print_table(rows, ("MS", "OWN MS", "CALLS", "FUNCTION", "SOURCE"))
    return 0


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as err:
        raise LoadError(f"{path}: {err.strerror}") from err
    print(f"{path} written", file=sys.stderr)


def add_profile(commands: Subparsers) -> None:
    """Add ``profile``."""
    parser = commands.add_parser(
        "profile",
        help="show a profile that was stored",
        description="Show a file of cProfile: those of Application.set_profile, of "
        "examples/profile_start.py, or of python -m cProfile -o.",
    )
    parser.add_argument("file", metavar="FILE", help="a file of cProfile")
    parser.add_argument("--svg", metavar="FILE", help="write a flame graph")
    parser.add_argument("--speedscope", metavar="FILE", help="write it for speedscope")
    parser.add_argument(
        "--lines",
        type=_count,
        default=30,
        help="functions to list, default: %(default)s",
    )
    _add_json(parser)
    parser.set_defaults(call=profile)


# -- doctor --------------------------------------------------------------------


def doctor(args: argparse.Namespace) -> int:
    """Probe a running deployment; 1 if something has failed."""
    from poorwsgi.doctor import Site, examine

    try:
        site = Site(args.url, args.timeout)
    except ValueError as err:
        raise UsageError(str(err)) from err
    results = []
    for result in examine(site):
        results.append(result)
        if not args.json:
            _print_result(result)
    if args.json:
        print_json([asdict(result) for result in results])
    return 1 if any(result.verdict == "fail" for result in results) else 0


_VERDICTS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "soft"}


def _print_result(result: Any) -> None:
    verdict = styled(f"{result.verdict:4}", _VERDICTS[result.verdict])
    print(f"{verdict}  {result.probe:14} {result.seen}", flush=True)
    if result.advice and result.verdict in ("warn", "fail"):
        print(f"      {'':14} {styled(result.advice, 'soft')}", flush=True)


def add_doctor(commands: Subparsers) -> None:
    """Add ``doctor``."""
    parser = commands.add_parser(
        "doctor",
        help="probe a running deployment over HTTP",
        description="Probe a running deployment: HEAD, ranges, chunked bodies, "
        "closing, files, clients that leave, large headers; and say which setting "
        "of the server to change. Only probe servers that are yours.",
    )
    parser.add_argument("url", metavar="URL", help="http://host:port/path")
    parser.add_argument(
        "--timeout", type=_seconds, default=5.0, help="seconds, default: %(default)s"
    )
    _add_json(parser)
    parser.set_defaults(call=doctor)


COMMANDS: Iterable[Any] = (add_routes, add_match, add_check, add_profile, add_doctor)
