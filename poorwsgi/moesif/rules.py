"""What the collector decides: sampling and governance rules.

Pure functions and immutable tables. The tables are built from the collector's
JSON once, when it arrives: patterns are compiled and what is incomplete is
skipped with a log line, so that a request only looks things up. A new policy
replaces the old one whole.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

log = logging.getLogger("poorwsgi.moesif")

UNKNOWN = "UNKNOWN"

#: The collector must not change how a message is framed.
FRAMING_HEADERS = frozenset(
    (
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE = re.compile(r"\{\{([^{}]+)\}\}")

#: Looks up a field of the exchange, such as "request.verb".
FieldOf = Callable[[str], object]
#: All conditions of one entry; entries are or-ed.
Conditions = tuple[tuple[str, re.Pattern[str]], ...]
Values = Mapping[str, Any]


class SampleEntry(NamedTuple):
    """One entry of the sampling regex_config."""

    conditions: Conditions
    rate: float


class Rule(NamedTuple):
    """One governance rule, ready for use."""

    id: str
    type: str
    block: bool
    matching: bool
    unidentified: bool
    entries: tuple[Conditions, ...] | None
    status: int
    headers: tuple[tuple[str, str], ...]
    body: Any

    def matches(self, field: FieldOf) -> bool:
        if self.entries is None:
            return True
        return any(all_match(entry, field) for entry in self.entries)


class Cohort(NamedTuple):
    """The rules listed for one user or company, with their values."""

    values: dict[str, Values]


class Block(NamedTuple):
    """The answer of a blocking rule."""

    rule_id: str
    status: int
    body: Any


class Verdict(NamedTuple):
    """What the rules say about one request."""

    headers: list[tuple[str, str]]
    block: Block | None


class Policy(NamedTuple):
    """Everything the collector has told, in a form that answers quickly."""

    sample_rate: float = 100
    sample_entries: tuple[SampleEntry, ...] = ()
    user_rates: Mapping[str, float] = {}
    company_rates: Mapping[str, float] = {}
    rules: tuple[Rule, ...] = ()
    user_rules: Mapping[str, Cohort] = {}
    company_rules: Mapping[str, Cohort] = {}
    needs_body: bool = False

    @property
    def samples(self) -> bool:
        """Tell whether some event may be left out."""
        return bool(
            self.sample_rate < 100
            or self.sample_entries
            or self.user_rates
            or self.company_rates
        )


NO_POLICY = Policy()


def build_policy(config: object, rules: object) -> Policy:
    """Read the answers of /v1/config and /v1/rules; None for an absent one."""
    known = config if isinstance(config, dict) else {}
    table = tuple(read_rules(rules))
    return Policy(
        sample_rate=rate_or(known.get("sample_rate"), 100),
        sample_entries=tuple(read_sample_entries(known.get("regex_config"))),
        user_rates=read_rates(known.get("user_sample_rate")),
        company_rates=read_rates(known.get("company_sample_rate")),
        rules=table,
        user_rules=read_cohorts(known.get("user_rules"), table),
        company_rules=read_cohorts(known.get("company_rules"), table),
        needs_body=any(reads_body(rule) for rule in table),
    )


# Sampling


def sample_rate(policy: Policy, field: FieldOf, user: object, company: object) -> float:
    """Return the percentage of such events that are kept."""
    for entry in policy.sample_entries:
        if all_match(entry.conditions, field):
            return entry.rate
    if user in policy.user_rates:
        return policy.user_rates[str(user)]
    if company in policy.company_rates:
        return policy.company_rates[str(company)]
    return policy.sample_rate


def weight_of(rate: float) -> int:
    """Return for how many exchanges one kept event stands."""
    return 1 if rate <= 0 else max(1, int(100 / rate))


def read_rates(given: object) -> dict[str, float]:
    if not isinstance(given, dict):
        return {}
    rates = {str(key): rate_or(value, -1) for key, value in given.items()}
    return {key: rate for key, rate in rates.items() if rate >= 0}


def rate_or(value: object, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    # NaN fails both comparisons of a chain, and is no rate.
    return min(value, 100) if value >= 0 else default


def read_sample_entries(given: object) -> list[SampleEntry]:
    entries = []
    for item in given if isinstance(given, list) else ():
        rate = rate_or(item.get("sample_rate"), -1) if isinstance(item, dict) else -1
        conditions = read_conditions(item)
        if conditions is None or rate < 0:
            log.warning("moesif: a sampling rule is not complete; it is skipped")
            continue
        entries.append(SampleEntry(conditions, rate))
    return entries


# Conditions


def read_conditions(entry: object) -> Conditions | None:
    """Compile the conditions of an entry; None if it is not complete."""
    given = entry.get("conditions") if isinstance(entry, dict) else None
    if not isinstance(given, list) or not given:
        return None
    pairs: list[tuple[str, re.Pattern[str]]] = []
    for item in given:
        path = item.get("path") if isinstance(item, dict) else None
        pattern = compile_pattern(item.get("value")) if path else None
        if pattern is None or not isinstance(path, str):
            return None
        pairs.append((path, pattern))
    return tuple(pairs)


def compile_pattern(value: object) -> re.Pattern[str] | None:
    if value is None or isinstance(value, dict | list):
        return None
    try:
        return re.compile(str(value))
    except (re.error, RecursionError, OverflowError):
        return None


def all_match(conditions: Conditions, field: FieldOf) -> bool:
    for path, pattern in conditions:
        value = field(path)
        if value is None or not pattern.search(as_text(value)):
            return False
    return True


def as_text(value: object) -> str:
    """Return the text that a pattern is tried on; JSON's spelling of booleans."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# Governance


def read_rules(given: object) -> list[Rule]:
    rules = []
    for item in given if isinstance(given, list) else ():
        rule = read_rule(item) if isinstance(item, dict) else None
        if rule is None:
            log.warning("moesif: a governance rule is not complete; it is skipped")
        else:
            rules.append(rule)
    return rules


def read_rule(given: dict[str, Any]) -> Rule | None:
    """Read one rule; None if something it needs is missing or broken."""
    answer = given.get("response")
    answer = answer if isinstance(answer, dict) else {}
    block = bool(given.get("block"))
    status = answer.get("status")
    valid_status = type(status) is int and 200 <= status <= 599
    entries = read_entries(given.get("regex_config"))
    if (
        given.get("_id") in (None, "")
        or given.get("type") not in ("regex", "user", "company")
        or entries == ()
        or (block and not valid_status)
    ):
        return None
    return Rule(
        id=str(given["_id"]),
        type=given["type"],
        block=block,
        matching=given.get("applied_to") != "not_matching",
        unidentified=bool(given.get("applied_to_unidentified")),
        entries=entries,
        status=status if isinstance(status, int) and valid_status else 0,
        headers=read_headers(answer.get("headers")),
        body=answer.get("body"),
    )


def read_entries(given: object) -> tuple[Conditions, ...] | None:
    """Return the or-ed entries, None for always, () for broken ones."""
    if not given:
        return None
    if not isinstance(given, list):
        return ()
    entries = [read_conditions(entry) for entry in given]
    return tuple(entry for entry in entries if entry is not None)


def read_headers(given: object) -> tuple[tuple[str, str], ...]:
    pairs = given.items() if isinstance(given, dict) else ()
    headers = []
    for name, value in pairs:
        if not _TOKEN.fullmatch(str(name)) or str(name).lower() in FRAMING_HEADERS:
            log.warning("moesif: header %r of a rule is skipped", name)
        else:
            headers.append((str(name), str(value)))
    return tuple(headers)


def reads_body(rule: Rule) -> bool:
    return any(
        path.startswith("request.body")
        for entry in rule.entries or ()
        for path, _ in entry
    )


def read_cohorts(given: object, rules: tuple[Rule, ...]) -> dict[str, Cohort]:
    known = {rule.id for rule in rules}
    cohorts = {}
    for name, listed in given.items() if isinstance(given, dict) else ():
        values: dict[str, Values] = {}
        for item in listed if isinstance(listed, list) else ():
            rule_id = str(item.get("rules")) if isinstance(item, dict) else None
            if rule_id is None or rule_id not in known:
                log.info("moesif: rule %r of a cohort is not known", rule_id)
                continue
            given_values = item.get("values")
            values[rule_id] = given_values if isinstance(given_values, dict) else {}
        cohorts[str(name)] = Cohort(values)
    return cohorts


def decide(policy: Policy, field: FieldOf, user: object, company: object) -> Verdict:
    """Apply all rules to a request: regex, then company, then user.

    A later rule wins: its headers replace those of the same name, its block
    replaces a former block.
    """
    applied: list[tuple[Rule, Values]] = [
        (rule, {})
        for rule in policy.rules
        if rule.type == "regex" and rule.matches(field)
    ]
    applied += cohort_rules(policy, "company", policy.company_rules, company, field)
    applied += cohort_rules(policy, "user", policy.user_rules, user, field)
    headers: dict[str, tuple[str, str]] = {}
    block = None
    for rule, values in applied:
        headers.update(rule_headers(rule, values))
        if rule.block:
            block = Block(rule.id, rule.status, fill(rule.body, values))
    return Verdict(list(headers.values()), block)


def cohort_rules(
    policy: Policy,
    kind: str,
    cohorts: Mapping[str, Cohort],
    member: object,
    field: FieldOf,
) -> list[tuple[Rule, Values]]:
    """Return the rules of one kind that apply to a user or company."""
    rules = [rule for rule in policy.rules if rule.type == kind]
    if not rules:
        return []
    if member is None:
        return [
            (rule, {}) for rule in rules if rule.unidentified and rule.matches(field)
        ]
    cohort = cohorts.get(str(member))
    listed = cohort.values if cohort else {}
    applied = [
        (rule, listed[rule.id])
        for rule in rules
        if rule.matching and rule.id in listed and rule.matches(field)
    ]
    return applied + [
        (rule, {})
        for rule in rules
        if not rule.matching and rule.id not in listed and rule.matches(field)
    ]


def rule_headers(rule: Rule, values: Values) -> dict[str, tuple[str, str]]:
    headers = {}
    for name, template in rule.headers:
        value = fill_text(template, values).strip()
        # SECURITY: a value with a line end would split the response.
        if value.isprintable() and is_latin(value):
            headers[name.lower()] = (name, value)
        else:
            log.warning("moesif: value of header %r of a rule is skipped", name)
    return headers


def is_latin(text: str) -> bool:
    return all(character < "\u0100" for character in text)


def fill(value: Any, values: Values) -> Any:
    """Replace {{name}} in all strings of a JSON value."""
    if isinstance(value, str):
        return fill_text(value, values)
    if isinstance(value, dict):
        return {key: fill(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, values) for item in value]
    return value


def fill_text(template: str, values: Values) -> str:
    def value_of(match: re.Match[str]) -> str:
        value = values.get(match[1])
        return UNKNOWN if value is None else str(value)

    return _VARIABLE.sub(value_of, template)
