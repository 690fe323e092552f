"""The decision: one table, the first row that holds wins.

    >>> [row.number for row in ROWS]
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]

Row 14, an error of ours, is in the middleware: the application answers.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from poorwsgi.perimeterx.blocking import is_challenge
from poorwsgi.perimeterx.context import Context, literal_path, rule_path
from poorwsgi.perimeterx.evaluation import HIGH_SCORE, PASSES

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIEnvironment

    from poorwsgi.perimeterx.config import Config
    from poorwsgi.perimeterx.firstparty import Address

T = TypeVar("T")

_SUFFIXES = """
.css .bmp .tif .ttf .docx .woff2 .js .pict .tiff .eot .xlsx .jpg .csv .eps .woff
.xls .jpeg .doc .ejs .otf .pptx .gif .pdf .swf .svg .ps .ico .pls .midi .svgz
.class .png .ppt .mid .webp .jar .json
"""
STATIC_SUFFIXES = tuple(_SUFFIXES.split())


class CallState(Enum):
    """How a call to the risk API ended."""

    ANSWERED = "answered"
    LATE = "late"
    FAILED = "failed"


class Outcome(Enum):
    """What happens to a request."""

    UNTOUCHED = "application; nothing recorded"
    FIRST_PARTY = "answered here; nothing recorded"
    ADMIT = "application; recorded"
    BLOCK = "blocked, or the application in monitor mode; recorded"
    FAIL_OPEN = "application; recorded; custom handlers not called"


class lazy(Generic[T]):  # noqa: N801 - reads as property does
    """An attribute that is found out when it is first asked for.

    Not functools.cached_property: up to Python 3.11 all instances share its
    lock, so that one slow call would hold every other request.
    """

    def __init__(self, find: Callable[[Any], T]) -> None:
        self._find = find
        self._name = find.__name__

    def __get__(self, instance: Any, owner: type) -> T:
        value = self._find(instance)
        instance.__dict__[self._name] = value
        return value


class Inquiry:
    """One request under examination; what a row asks is found out then."""

    def __init__(
        self,
        environ: WSGIEnvironment,
        config: Config,
        find_address: Callable[[WSGIEnvironment], Address | None],
        find_ip: Callable[[WSGIEnvironment], str],
        examine: Callable[[Context], str],
        ask: Callable[[Context], CallState],
    ) -> None:
        self.environ = environ
        self.config = config
        self.address: Address | None = None
        self._find_address = find_address
        self._find_ip = find_ip
        self._examine = examine
        self._ask = ask

    @lazy
    def path(self) -> str:
        return rule_path(self.environ)

    @lazy
    def literal(self) -> str:
        return literal_path(self.environ)

    @lazy
    def ctx(self) -> Context:
        ctx = Context(self.environ, self.config, self.path)
        ctx.sensitive_route = self.is_under(self.config.sensitive_routes)
        ctx.ip = self._find_ip(self.environ)
        return ctx

    @lazy
    def evidence(self) -> str:
        return self._examine(self.ctx)

    @lazy
    def call(self) -> CallState:
        self.ctx.s2s_call_reason = self.evidence
        return self._ask(self.ctx)

    def is_switched_off(self) -> bool:
        enabled = self.config.module_enabled
        return not enabled or bool(self.environ.get("px_disable_request"))

    def is_first_party(self) -> bool:
        self.address = self._find_address(self.environ)
        return self.address is not None

    def is_static(self) -> bool:
        return (
            self.path.endswith(STATIC_SUFFIXES)
            and self.environ.get("REQUEST_METHOD") in ("GET", "HEAD")
            and not self.is_under(self.config.sensitive_routes)
        )

    def is_whitelisted(self) -> bool:
        free = self.config.whitelist_routes
        if not self.path.startswith(free):
            return False
        guarded = self.config.sensitive_routes + self.config.enforced_specific_routes
        # SECURITY: dot segments lead from no guarded route to a free one.
        return self.literal.startswith(free) or not self.literal.startswith(guarded)

    def is_not_enforced(self) -> bool:
        enforced = self.config.enforced_specific_routes
        return bool(enforced) and not self.is_under(enforced)

    def is_under(self, prefixes: tuple[str, ...]) -> bool:
        """Tell whether the path has a prefix, whoever resolves its dots."""
        return bool(prefixes) and (
            self.path.startswith(prefixes) or self.literal.startswith(prefixes)
        )

    def cookie_passes(self) -> bool:
        return self.evidence == PASSES

    def cookie_is_high(self) -> bool:
        return self.evidence == HIGH_SCORE

    def answer_is_high(self) -> bool:
        if self.call is not CallState.ANSWERED:
            return False
        return (self.ctx.score or 0) >= self.config.blocking_score

    def answer_is_low(self) -> bool:
        return self.call is CallState.ANSWERED and not self.answer_is_high()

    def answer_is_challenge(self) -> bool:
        return self.answer_is_high() and is_challenge(self.ctx)

    def answer_is_rate_limit(self) -> bool:
        return self.answer_is_high() and self.ctx.block_action == "r"

    def call_is_late(self) -> bool:
        return self.call is CallState.LATE

    def call_has_failed(self) -> bool:
        return self.call is CallState.FAILED


class Row(NamedTuple):
    """One row of the table; `reason` is what is reported."""

    number: int
    condition: Callable[[Inquiry], bool]
    outcome: Outcome
    reason: str = ""


ROWS = (
    Row(1, Inquiry.is_switched_off, Outcome.UNTOUCHED),
    Row(2, Inquiry.is_first_party, Outcome.FIRST_PARTY),
    Row(3, Inquiry.is_static, Outcome.UNTOUCHED),
    Row(4, Inquiry.is_whitelisted, Outcome.UNTOUCHED),
    Row(5, Inquiry.is_not_enforced, Outcome.UNTOUCHED),
    Row(6, Inquiry.cookie_passes, Outcome.ADMIT, "cookie"),
    Row(7, Inquiry.cookie_is_high, Outcome.BLOCK, "cookie_high_score"),
    Row(8, Inquiry.answer_is_low, Outcome.ADMIT, "s2s"),
    Row(9, Inquiry.answer_is_challenge, Outcome.BLOCK, "challenge"),
    Row(10, Inquiry.answer_is_rate_limit, Outcome.BLOCK, "exceeded_rate_limit"),
    Row(11, Inquiry.answer_is_high, Outcome.BLOCK, "s2s_high_score"),
    Row(12, Inquiry.call_is_late, Outcome.FAIL_OPEN, "s2s_timeout"),
    Row(13, Inquiry.call_has_failed, Outcome.FAIL_OPEN, "s2s_error"),
)


def decide(inquiry: Inquiry) -> Row:
    """Return the first row that holds."""
    for row in ROWS:
        if row.condition(inquiry):
            return row
    raise LookupError("no row of the decision table holds")
