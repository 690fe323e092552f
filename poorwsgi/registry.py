"""What is registered with an application: routes, states, errors, hooks.

Every table is changed by one thread at a time and replaced, so that those
who serve requests see the old one or the new one and take no lock. Who is
asked in which order is decided in wsgi.
"""

from __future__ import annotations

import logging
import re
from functools import wraps
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from poorwsgi.config import Settings
from poorwsgi.routing import (
    Endpoint,
    Registrar,
    RouteGroup,
    Router,
    Rule,
    RuleError,
    bits_of,
    check_error_type,
    default_filters,
    method_mask,
    method_names,
    spread,
    take,
    wire_path,
)
from poorwsgi.signature import (
    call_fault,
    group_names,
    name_of,
    route_fault,
    where,
)
from poorwsgi.state import METHOD_GET, METHOD_HEAD, METHOD_POST, deprecated

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias, TypeVar

    from poorwsgi.routing import Converters, Filter, Handler, Methods

    Hook: TypeAlias = Callable[..., Any]
    F = TypeVar("F", bound=Callable[..., Any])

log = logging.getLogger("poorwsgi")

GET_HEAD = METHOD_HEAD | METHOD_GET
GET_HEAD_POST = METHOD_HEAD | METHOD_GET | METHOD_POST


def one_at_a_time(change: F) -> F:
    """Let one thread at a time change the tables of a registry."""

    @wraps(change)
    def changed(registry: Registry, *args: Any, **kwargs: Any) -> Any:
        with registry._lock:
            value = change(registry, *args, **kwargs)
            registry._changed()
            return value

    return cast("F", changed)


def old_name(name: str, method: F) -> F:
    """Return a method under its old name, which warns at each call."""

    @wraps(method)
    def old(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    reason = f"use {method.__name__}"
    old.__name__ = name
    return cast("F", deprecated(reason)(old))


def compiled(rule: Rule) -> re.Pattern[str]:
    """Return the regular expression of a rule; `RuleError` if it is none."""
    try:
        return re.compile(rule.regex, re.U)
    except re.error as err:
        raise RuleError(
            f"Invalid route definition {rule.text!r}: {rule.regex!r} is no regular "
            f"expression: {err}"
        ) from err


class Registry(Settings, Registrar):
    """Options and tables of an application, and the methods that fill them."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._router = Router()
        self._filters: dict[str, Filter] = default_filters()
        self._before: tuple[Hook, ...] = ()
        self._after: tuple[Hook, ...] = ()
        self._duplicates: list[tuple[str, Handler, str]] = []
        self._defaults: dict[int, Handler] = {}
        self._states: dict[int, dict[int, Handler]] = {}
        self._errors: dict[type[Exception], dict[int, Handler]] = {}

    def _changed(self) -> None:
        """Let the application react to a table that was replaced."""

    def _within(self, groups: tuple[RouteGroup, ...], fun: Handler) -> Handler:
        """Return what is called for a handler: itself, or itself within groups."""
        raise NotImplementedError

    # -- routes ------------------------------------------------------------

    @property
    def filters(self) -> dict[str, Filter]:
        """Copy of the table of filters: name to regex and converter."""
        return dict(self._filters)

    @one_at_a_time
    def set_filter(
        self, name: str, regex: str, converter: Callable[[str], Any] = str
    ) -> None:
        """Set a filter for rules set from now on.

        :param converter: makes a value of the text; if it raises, the path is one
            that does not exist
        """
        if name[:1] != ":":
            name = ":" + name
        try:
            re.compile(regex)  # a mistake shows here, not in a rule
        except re.error as err:
            raise RuleError(
                f"filter {name!r}: {regex!r} is no regular expression: {err}"
            ) from err
        if not callable(converter):
            self._warn(
                f"filter {name!r} has {converter!r} as converter, which can not be "
                "called, so its rules match no path; give a function of a text"
            )
        self._filters = {**self._filters, name: (regex, converter)}

    @property
    def routes(self) -> dict[str, dict[int, Handler]]:
        """Copy of the static routes: path to handlers by method bit."""
        return {
            path: {bit: endpoint.handler for bit, endpoint in table.items()}
            for path, table in self._router.static_tables().items()
        }

    @property
    def regular_routes(
        self,
    ) -> dict[re.Pattern[str], dict[int, tuple[Handler, Converters, str]]]:
        """Copy of the regular routes, in the order they are tried."""
        return {
            route.pattern: {
                bit: (endpoint.handler, endpoint.converters, endpoint.rule)
                for bit, endpoint in route.table.items()
            }
            for route in self._router.regular_routes()
        }

    def set_route(
        self,
        uri: str,
        fun: Handler,
        method: Methods = GET_HEAD,
        name: str | None = None,
    ) -> None:
        """Set a handler for a rule.

        :param uri: a path, or a rule with groups such as ``/user/<id:int>``
        :param method: method bits, a name, or an iterable of them
        :param name: name for `url_for`
        :raises ValueError: for spaces in a group, two groups of one name, an unknown
            method, or a *name* that another rule has
        :raises RuntimeError: for a filter that is not defined
        """
        self._set_route(uri, fun, method_mask(method), name, ())

    def _set_route(
        self,
        uri: str,
        fun: Handler,
        mask: int,
        name: str | None,
        groups: tuple[RouteGroup, ...],
    ) -> None:
        rule = Rule(uri, self._filters)
        pattern = compiled(rule) if rule.parts else None
        self._router.remember(rule, fun, name)
        if uri[:1] not in ("/", "*") and not rule.has_regex_text:
            self._warn(
                f"route {uri!r}{where(fun)} matches no path, since a path starts with "
                f"a slash; write {'/' + uri!r}"
            )
        self._warn(route_fault(uri, [part.name for part in rule.parts], fun))
        self._warn_of_duplicate(rule, mask, fun)
        call = self._within(groups, fun)
        converters = [(part.name, part.converter) for part in rule.parts]
        if pattern is not None:
            endpoint = Endpoint(uri, fun, call, converters)
            self._router.add_regular(pattern, mask, endpoint, rule)
        else:
            self._router.add_static(uri, mask, Endpoint(uri, fun, call))

    def _warn(self, fault: str) -> None:
        """Log a wrong use at once; an empty text is none."""
        if fault:
            log.warning("%s", fault)

    def _warn_of_duplicate(self, rule: Rule, mask: int, fun: Handler) -> None:
        """Warn of a route that takes the place of another; `check` tells as well."""
        table = self._router.table_of(rule)
        for bit in bits_of(mask):
            old = table.get(bit)
            if old is not None and old.handler != fun:
                names = " and ".join(method_names(mask & sum(table)))
                fault = (
                    f"route {rule.text!r}{where(fun)} replaces handler "
                    f"{name_of(old.handler)!r}{where(old.handler)} for {names}; give "
                    "one of them another rule or method, or pop_route() first"
                )
                self._duplicates.append((rule.text, fun, fault))
                return self._warn(fault)
        return None

    def pop_route(self, uri: str, method: int) -> Any:
        """Remove a route of one method and return what was set.

        That is the handler of a static rule, or (handler, converters, rule).

        :raises KeyError: if there is none
        """
        rule = Rule(uri, self._filters)
        if rule.parts:
            return self.pop_regular_route(rule.regex, method)
        return self._router.pop_static(uri, method).handler

    def is_route(self, uri: str) -> bool:
        """Return True if a rule has a route, for whichever method."""
        rule = Rule(uri, self._filters)
        if rule.parts:
            return self.is_regular_route(rule.regex)
        return wire_path(uri) in self._router.static

    def regular_route(self, ruri: str, method: Methods = GET_HEAD) -> Callable[[F], F]:
        """Return a decorator that sets a handler for a regular expression.

        It has to match from the start of the path; the end is free.
        """

        def decorate(fun: F) -> F:
            self.set_regular_route(ruri, fun, method)
            return fun

        return decorate

    def set_regular_route(
        self,
        uri: str,
        fun: Handler,
        method: Methods = GET_HEAD,
        converters: Converters = (),
        rule: str | None = None,
    ) -> None:
        """Set a handler for a regular expression.

        :param converters: pairs of group name and converter; without them the
            handler gets all groups as they are
        """
        endpoint = Endpoint(rule or uri, fun, None, converters)
        pattern = re.compile(uri, re.U)
        self._warn(route_fault(rule or uri, group_names(pattern, converters), fun))
        self._router.add_regular(pattern, method_mask(method), endpoint)

    def pop_regular_route(
        self, uri: str, method: int
    ) -> tuple[Handler, Converters, str]:
        """Remove a route and return (handler, converters, rule).

        :raises KeyError: if there is none
        """
        endpoint = self._router.pop_regular(re.compile(uri, re.U), method)
        return endpoint.handler, endpoint.converters, endpoint.rule

    def is_regular_route(self, r_uri: str) -> bool:
        """Return True if a regular expression has a route."""
        return self._router.is_regular(re.compile(r_uri, re.U))

    def url_for(self, target: str | Handler, **args: Any) -> str:
        """Return the path of a route, by its name or its handler.

        Arguments that its rule does not name become the query string.

        :raises LookupError: if there is no such route
        :raises ValueError: if a value is missing or does not fit
        """
        return self._router.rule_of(target).build(args)

    def add_group(self, group: RouteGroup) -> None:
        """Add the routes of a group, those of today and those to come."""
        group.connect(self._set_route)

    def group(self, prefix: str, name: str | None = None) -> RouteGroup:
        """Return a new group of this application."""
        group = RouteGroup(prefix, name)
        self.add_group(group)
        return group

    # -- defaults, states, errors ------------------------------------------

    @property
    def defaults(self) -> dict[int, Handler]:
        """Copy of the default handlers by method bit."""
        return dict(self._defaults)

    def default(self, method: Methods = GET_HEAD) -> Callable[[F], F]:
        """Return a decorator that sets a default handler."""
        if callable(method):
            raise TypeError("write @app.default(), with parentheses")

        def decorate(fun: F) -> F:
            self.set_default(fun, method)
            return fun

        return decorate

    @one_at_a_time
    def set_default(self, fun: Handler, method: Methods = GET_HEAD) -> None:
        """Set the handler of requests that nothing else serves."""
        self._warn(call_fault("default handler", fun, ("req",)))
        bits = bits_of(method_mask(method))
        self._defaults = {**self._defaults, **dict.fromkeys(bits, fun)}

    @one_at_a_time
    def pop_default(self, method: int) -> Handler:
        """Remove and return a default handler; KeyError if there is none."""
        defaults = dict(self._defaults)
        handler = defaults.pop(method)
        self._defaults = defaults
        return handler

    @property
    def states(self) -> dict[int, dict[int, Handler]]:
        """Copy of the state handlers by status and method bit."""
        return {code: dict(table) for code, table in self._states.items()}

    def http_state(
        self, status_code: int, method: Methods = GET_HEAD_POST
    ) -> Callable[[F], F]:
        """Return a decorator that sets the handler of an HTTP status."""
        status_of(status_code)

        def decorate(fun: F) -> F:
            self.set_http_state(status_code, fun, method)
            return fun

        return decorate

    @one_at_a_time
    def set_http_state(
        self, status_code: int, fun: Handler, method: Methods = GET_HEAD_POST
    ) -> None:
        """Set the handler of an HTTP status: ``fun(req, **kwargs)``."""
        status = status_of(status_code)
        self._warn(call_fault("state handler", fun, ("req",)))
        states = dict(self._states)
        spread(states, status, method_mask(method), fun)
        self._states = states

    @one_at_a_time
    def pop_http_state(self, status_code: int, method: int) -> Handler:
        """Remove and return a state handler; KeyError if there is none."""
        states = dict(self._states)
        handler: Handler = take(states, status_code, method)
        self._states = states
        return handler

    @property
    def errors(self) -> dict[type[Exception], dict[int, Handler]]:
        """Copy of the exception handlers, in the order they are tried."""
        return {error: dict(table) for error, table in self._errors.items()}

    def error_handler(
        self, error: type[Exception], method: Methods = GET_HEAD_POST
    ) -> Callable[[F], F]:
        """Return a decorator that sets the handler of an exception type."""
        check_error_type(error)

        def decorate(fun: F) -> F:
            self.set_error_handler(error, fun, method)
            return fun

        return decorate

    @one_at_a_time
    def set_error_handler(
        self, error: type[Exception], fun: Handler, method: Methods = GET_HEAD_POST
    ) -> None:
        """Set the handler of an exception type: ``fun(req, error)``.

        :raises TypeError: if *error* is no type of exceptions
        """
        check_error_type(error)
        self._warn(call_fault("error handler", fun, ("req", "error")))
        errors = dict(self._errors)
        spread(errors, error, method_mask(method), fun)
        self._errors = errors

    @one_at_a_time
    def pop_error_handler(self, error: type[Exception], method: int) -> Handler:
        """Remove and return an exception handler; KeyError if there is none."""
        errors = dict(self._errors)
        handler: Handler = take(errors, error, method)
        self._errors = errors
        return handler

    # -- hooks -------------------------------------------------------------

    @property
    def before(self) -> tuple[Hook, ...]:
        """Hooks before each answer, in call order."""
        return self._before

    @property
    def after(self) -> tuple[Hook, ...]:
        """Hooks after each answer, in call order."""
        return self._after

    def before_response(self) -> Callable[[F], F]:
        """Return a decorator that adds ``hook(req)`` before each answer."""

        def decorate(fun: F) -> F:
            self.add_before_response(fun)
            return fun

        return decorate

    @one_at_a_time
    def add_before_response(self, fun: Hook) -> None:
        """Add a hook; ValueError if it is there already."""
        self._warn(call_fault("before-hook", fun, ("req",)))
        self._before = appended(self._before, fun)

    @one_at_a_time
    def pop_before_response(self, fun: Hook) -> None:
        """Remove a hook; ValueError if it is not there."""
        self._before = removed(self._before, fun)

    def after_response(self) -> Callable[[F], F]:
        """Return a decorator that adds ``hook(req, response) -> response``."""

        def decorate(fun: F) -> F:
            self.add_after_response(fun)
            return fun

        return decorate

    @one_at_a_time
    def add_after_response(self, fun: Hook) -> None:
        """Add a hook; ValueError if it is there already."""
        self._warn(call_fault("after-hook", fun, ("req", "response")))
        self._after = appended(self._after, fun)

    @one_at_a_time
    def pop_after_response(self, fun: Hook) -> None:
        """Remove a hook; ValueError if it is not there."""
        self._after = removed(self._after, fun)

    before_request = old_name("before_request", before_response)
    add_before_request = old_name("add_before_request", add_before_response)
    pop_before_request = old_name("pop_before_request", pop_before_response)
    after_request = old_name("after_request", after_response)
    add_after_request = old_name("add_after_request", add_after_response)
    pop_after_request = old_name("pop_after_request", pop_after_response)


def status_of(value: Any) -> int:
    """Return a status as a number; the error says where exceptions go."""
    try:
        return int(value)
    except (TypeError, ValueError) as err:
        raise type(err)(
            f"http_state takes a status such as 404, not {value!r}; error_handler "
            "takes a type of exceptions"
        ) from None


def appended(hooks: tuple[Hook, ...], fun: Hook) -> tuple[Hook, ...]:
    """Return hooks with one more."""
    if fun in hooks:
        raise ValueError(f"{fun} is in list yet")
    return (*hooks, fun)


def removed(hooks: tuple[Hook, ...], fun: Hook) -> tuple[Hook, ...]:
    """Return hooks without one."""
    if fun not in hooks:
        raise ValueError(f"{fun} is not in list")
    return tuple(hook for hook in hooks if hook != fun)
