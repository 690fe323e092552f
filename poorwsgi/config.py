"""Every option of an application, on one page.

An option is a descriptor: name, default, converter and documentation in one
place. Values live on the application under the name with an underscore, where
the hot path reads them as plain attributes. What an option does is decided by
the module that reads it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from poorwsgi.session import SecretKey

#: What an option gives.
T = TypeVar("T")
if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    #: What may be set, where that is more.
    S = TypeVarWithDefault("S", default=T)
else:
    S = TypeVar("S")


class Option(Generic[T, S]):
    """One option: ``app.name`` reads it, ``app.name = value`` checks and sets it."""

    @overload
    def __init__(self, default: T, convert: None = None, doc: str = "") -> None: ...

    @overload
    def __init__(
        self, default: object, convert: Callable[[Settings, S], T], doc: str = ""
    ) -> None: ...

    def __init__(
        self,
        default: Any,
        convert: Callable[[Settings, Any], Any] | None = None,
        doc: str = "",
    ):
        self.default = default
        self.convert = convert
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.attribute = "_" + name
        setattr(owner, self.attribute, self.default)

    @overload
    def __get__(self, app: None, owner: type) -> Option[T, S]: ...

    @overload
    def __get__(self, app: Settings, owner: type) -> T: ...

    def __get__(self, app: Settings | None, owner: type) -> Option[T, S] | T:
        if app is None:
            return self
        value: T = getattr(app, self.attribute)
        return value

    def __set__(self, app: Settings, value: S) -> None:
        changed = value if self.convert is None else self.convert(app, value)
        setattr(app, self.attribute, changed)
        app._option_changed(self.name)


# Types of options are those of their converters, not declared: a subclass may
# set a plain value, and type checkers take none for a declared `Option`.


def _bool(_: Settings, value: int) -> bool:
    return bool(value)


def _int(_: Settings, value: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as err:
        raise type(err)(f"This option takes a number, not {value!r}") from None


def _seconds(_: Settings, value: float | None) -> float | None:
    return value


def _secret(_: Settings, value: SecretKey | None) -> SecretKey | None:
    return value


def _store(_: Settings, value: Any) -> Any:
    return value


def _limit(app: Settings, value: int | None) -> int | None:
    """Return a limit as a number that is not negative; None means no limit."""
    if value is None:
        return None
    number = _int(app, value)
    if number < 0:
        raise ValueError(f"A limit can not be negative: {value!r}; None means no limit")
    return number


def _names(_: Settings, value: Iterable[str] | str | None) -> tuple[str, ...] | None:
    """Return a tuple of names; one name alone is taken as a tuple of one."""
    if value is None:
        return None
    if isinstance(value, str):
        return (value,)
    return tuple(value)


def _proxies(
    app: Settings, value: Iterable[str] | str | None
) -> tuple[str, ...] | None:
    """Return addresses; a network would never be one, and trust nobody."""
    names = _names(app, value)
    for name in names or ():
        _, slash, bits = name.partition("/")
        if slash and bits.isdigit():
            raise ValueError(f"trusted_proxies are single addresses, not {name!r}")
    return names


def _hosts(app: Settings, value: Iterable[str] | str | None) -> tuple[str, ...] | None:
    """Return names of hosts in the form they are compared in."""
    names = _names(app, value)
    return names and tuple(name.lower().rstrip(".") for name in names)


def _root(app: Settings, value: str | os.PathLike[str]) -> str:
    """Return a directory as text; a relative one stays where it is now."""
    root = os.fspath(value or "")
    if root[:1] != "/":
        app.started_in = current_directory()
    return root


def current_directory() -> str:
    """Return the directory the process is in; "" if it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _auth_type(app: Settings, value: str) -> str | None:
    if not isinstance(value, str) or value.capitalize() != "Digest":
        raise ValueError("Unsupported authorization type")
    if app.secret_key is None:
        raise ValueError("Set secret key first")
    return "Digest"


def _auth_algorithm(_: Settings, value: str) -> str:
    known = digest_algorithms()
    if value not in known:
        raise ValueError(
            f"Unsupported Digest algorithm {value!r}; there are {', '.join(known)}"
        )
    return value


def _auth_qop(_: Settings, value: str | None) -> str | None:
    if value not in ("auth", "", None):
        raise ValueError("Unsupported quality of protection")
    return value


def _auth_timeout(_: Settings, value: int | None) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError("Unsupported auth_timeout value")
    return value


def digest_algorithms() -> dict[str, Any]:
    """Return the hash constructor of each algorithm name of HTTP Digest."""
    # hashlib loads OpenSSL, 4 ms that only Digest applications have to spend.
    from hashlib import md5, new, sha256

    def sha512_256(data: bytes = b"") -> Any:
        return new("sha512_256", data)

    return {
        "MD5": md5,
        "MD5-sess": md5,
        "SHA-256": sha256,
        "SHA-256-sess": sha256,
        "SHA-512-256": sha512_256,
        "SHA-512-256-sess": sha512_256,
    }


class Settings:
    """Options of `Application`; each may change between two requests."""

    #: What a relative `document_root` is relative to, whatever the server does
    #: later: the directory in which it was set, or the application was made.
    started_in = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let an option that a subclass sets in its body be its new default.

        The hot path reads the value below the option, so it has to be there, made
        of what was given as in an assignment: one name is not a text to search in.
        """
        super().__init_subclass__(**kwargs)
        for name, value in list(vars(cls).items()):
            option = getattr(super(cls, cls), name, None)
            if not isinstance(option, Option) or isinstance(value, Option):
                continue
            if hasattr(value, "__get__"):  # a property, or a function
                setattr(cls, option.attribute, value)
            else:
                if option.convert is not None:
                    value = option.convert(cast("Settings", cls), value)
                changed = Option(value, option.convert, option.__doc__ or "")
                setattr(cls, name, changed)
                changed.__set_name__(cls, name)

    # -- what is parsed by itself ------------------------------------------
    auto_args = Option(True, _bool, "Parse the query string into `Request.args`.")
    auto_form = Option(True, _bool, "Parse form bodies into `Request.form`.")
    auto_json = Option(True, _bool, "Parse JSON bodies into `Request.json`.")
    auto_data = Option(
        True, _bool, "Keep bodies up to `data_size` bytes in memory as `Request.data`."
    )
    auto_cookies = Option(
        True, _bool, "Parse the Cookie header into `Request.cookies`."
    )
    keep_blank_values = Option(
        0, _int, "Keep arguments and form fields without a value, as an empty text."
    )
    strict_parsing = Option(
        0, _int, "Answer 400 to a malformed query or form instead of skipping it."
    )
    file_callback: Option[Callable[[str], Any] | None] = Option(
        None, None, "Called with the name of an uploaded file; returns where to write."
    )
    json_dumps: Option[Callable[[Any], str | bytes] | None] = Option(
        None, None, "Encoder of JSON answers; None: the standard library's."
    )
    json_loads: Option[Callable[[bytes], Any] | None] = Option(
        None, None, "Decoder of JSON bodies; None: the standard library's, strict."
    )

    # -- sizes and times ---------------------------------------------------
    cached_size = Option(
        65365, None, "Block size in bytes of `CachedInput`; 0 reads the raw input."
    )
    data_size = Option(65365, _int, "Largest body in bytes kept as `Request.data`.")
    read_timeout = Option(
        10,
        _seconds,
        "Seconds without a new byte of the body, then 408; None: no limit.",
    )
    min_body_rate = Option(
        500, _limit, "Slowest body, in bytes per second after `read_timeout`, then 408."
    )
    max_body_size = Option(None, _limit, "Largest body in bytes, then 413.")
    max_form_memory_size = Option(
        2_500_000, _limit, "Bytes of all form fields that are not files, then 413."
    )
    max_json_size = Option(16_000_000, _limit, "Largest JSON body in bytes, then 413.")
    json_max_depth = Option(200, _limit, "Deepest nesting of a JSON body, then 400.")
    max_form_fields = Option(1000, _limit, "Fields of an urlencoded body, then 413.")
    max_form_parts = Option(
        1000, _limit, "Parts of a multipart body, nested ones included, then 413."
    )
    max_part_header_size = Option(
        8192, _limit, "Bytes of the headers of one part, then 431."
    )
    max_args = Option(None, _limit, "Arguments of the query string, then 400.")
    max_cookie_size = Option(16384, _limit, "Bytes of the Cookie header, then 431.")

    # -- who asks, and for whom --------------------------------------------
    trusted_proxies = Option(
        None,
        _proxies,
        "Addresses whose X-Forwarded-* and Forwarded headers count. None: those of "
        "anybody, as PoorWSGI 2.8 does; (): nobody's.",
    )
    allowed_hosts = Option(
        None, _hosts, "Names accepted in the Host header, else 400; None: any valid."
    )
    secret_key = Option(
        None, _secret, "Secret of sessions and Digest; a list rotates: the first signs."
    )

    # -- files -------------------------------------------------------------
    document_root = Option(
        "", _root, "Directory whose files are served; empty: no files."
    )
    document_index = Option(False, _bool, "List directories of the document root.")
    follow_symlinks = Option(
        False, _bool, "Serve what a link out of the document root points to."
    )
    serve_hidden = Option(
        False, _bool, "Serve names that start with a dot (.well-known always is)."
    )

    # -- answers -----------------------------------------------------------
    debug = Option(
        False, _bool, "Show tracebacks on error pages, and serve /debug-info."
    )
    access_log = Option(
        False, _bool, "Log each request to the logger ``poorwsgi.access``."
    )
    problem_json = Option(
        False, _bool, "Error answers for JSON clients are application/problem+json."
    )

    # -- HTTP Digest -------------------------------------------------------
    auth_type = Option(
        None, _auth_type, "Authorization type; `Digest` is the only one."
    )
    auth_algorithm = Option("MD5-sess", _auth_algorithm, "Algorithm of HTTP Digest.")
    auth_qop = Option(
        "auth", _auth_qop, "Quality of protection; empty or None: RFC 2069 style."
    )
    auth_timeout = Option(
        300, _auth_timeout, "Seconds a nonce lives at least; 0 or None: for ever."
    )
    auth_userhash = Option(
        False, _bool, "Let Digest clients send a hash of the user name (RFC 7616)."
    )
    auth_store = Option(
        None,
        _store,
        "A `poorwsgi.store` where processes and hosts note used Digest answers; "
        "None: each process notes its own.",
    )

    def __init__(self) -> None:
        self.started_in = current_directory()
        #: {realm: {user: digest}}, usually a `poorwsgi.digest.PasswordMap`.
        self.auth_map: Any = {}
        #: {algorithm: {realm: {user: digest}}}: a challenge for each algorithm, in
        #: this order; used instead of `auth_algorithm` and `auth_map` if not empty.
        self.auth_maps: dict[str, Any] = {}
        self._json_mime_types = [
            "application/json",
            "application/javascript",
            "application/merge-patch+json",
        ]
        self._form_mime_types = [
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        ]

    def _option_changed(self, name: str) -> None:
        """Let the application react to an option set while it runs."""

    @property
    def json_mime_types(self) -> list[str]:
        """Media types parsed as JSON: the live list, append to extend it."""
        return self._json_mime_types

    @property
    def form_mime_types(self) -> list[str]:
        """Media types parsed as forms: the live list, append to extend it."""
        return self._form_mime_types

    @property
    def auth_hash(self) -> Any:
        """Hash constructor that belongs to `auth_algorithm`."""
        return digest_algorithms()[self.auth_algorithm]
