"""Options of an application: default, what is made of a value, what is refused."""

import hashlib

import pytest

from poorwsgi import Application
from poorwsgi.config import Option, Settings
from poorwsgi.testing import TestClient

# name, default, then pairs of (what is set, what is read afterwards)
OPTIONS = [
    ("auto_args", True, [(0, False), ("x", True), (None, False)]),
    ("auto_form", True, [(0, False), (1, True)]),
    ("auto_json", True, [(0, False), (1, True)]),
    ("auto_data", True, [(0, False), (1, True)]),
    ("auto_cookies", True, [(0, False), (1, True)]),
    ("cached_size", 65365, [(0, 0), (None, None), (4096, 4096)]),
    ("data_size", 65365, [("12", 12), (0, 0), (1.9, 1)]),
    ("read_timeout", 10, [(None, None), (0.5, 0.5)]),
    ("keep_blank_values", 0, [(True, 1), ("1", 1)]),
    ("strict_parsing", 0, [(True, 1), (0, 0)]),
    ("file_callback", None, [(open, open), (None, None)]),
    ("debug", False, [(1, True), ("", False)]),
    ("document_root", "", [("/srv", "/srv")]),
    ("document_index", False, [(1, True), (None, False)]),
    ("secret_key", None, [("k", "k"), (b"k", b"k"), (None, None)]),
    ("auth_algorithm", "MD5-sess", [("SHA-256", "SHA-256"), ("MD5", "MD5")]),
    ("auth_qop", "auth", [("", ""), (None, None), ("auth", "auth")]),
    ("auth_timeout", 300, [(0, 0), (None, None), (60, 60)]),
    ("min_body_rate", 500, [(None, None), (0, 0)]),
    ("max_body_size", None, [("10", 10), (0, 0), (None, None)]),
    ("max_form_memory_size", 2_500_000, [(None, None), (1, 1)]),
    ("max_json_size", 16_000_000, [(None, None), (1, 1)]),
    ("json_max_depth", 200, [(None, None), (1, 1)]),
    ("max_form_fields", 1000, [(None, None), (1, 1)]),
    ("max_form_parts", 1000, [(None, None), (1, 1)]),
    ("max_part_header_size", 8192, [(None, None), (1, 1)]),
    ("max_args", None, [(3, 3), (None, None)]),
    ("max_cookie_size", 16384, [(None, None), (1, 1)]),
    (
        "trusted_proxies",
        None,
        [("10.0.0.1", ("10.0.0.1",)), (["::1"], ("::1",)), ((), ())],
    ),
    ("allowed_hosts", None, [("a.cz", ("a.cz",)), ({"b.cz"}, ("b.cz",))]),
    ("follow_symlinks", False, [(1, True)]),
    ("serve_hidden", False, [(1, True)]),
    ("problem_json", False, [(1, True)]),
    ("json_dumps", None, [(repr, repr), (None, None)]),
    ("json_loads", None, [(repr, repr), (None, None)]),
]


@pytest.mark.parametrize(("name", "default", "_"), OPTIONS)
def test_option_has_its_default(app, name, default, _):
    value = getattr(app, name)
    assert value == default
    assert type(value) is type(default)


@pytest.mark.parametrize(
    ("name", "given", "stored"),
    [(name, *pair) for name, _, pairs in OPTIONS for pair in pairs],
)
def test_option_stores_what_it_makes_of_a_value(app, name, given, stored):
    setattr(app, name, given)
    assert getattr(app, name) == stored
    assert type(getattr(app, name)) is type(stored)


LIMITS = [name for name, _, _ in OPTIONS if name.startswith(("max_", "json_max"))]


@pytest.mark.parametrize("name", [*LIMITS, "min_body_rate"])
def test_a_limit_can_not_be_negative(app, name):
    before = getattr(app, name)
    with pytest.raises(ValueError, match="negative"):
        setattr(app, name, -1)
    assert getattr(app, name) == before


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("auth_type", "Basic", "Unsupported authorization type"),
        ("auth_type", None, "Unsupported authorization type"),
        ("auth_type", "Digest", "Set secret key first"),
        ("auth_algorithm", "SHA-1", "Digest algorithm 'SHA-1'; there are MD5, .*SHA-"),
        ("auth_qop", "auth-int", "Unsupported quality of protection"),
        ("auth_timeout", "300", "Unsupported auth_timeout value"),
        ("auth_timeout", 1.5, "Unsupported auth_timeout value"),
        ("auth_timeout", True, "Unsupported auth_timeout value"),
        ("data_size", "many", "takes a number, not 'many'"),
        ("max_body_size", "1 MB", "takes a number, not '1 MB'"),
        ("keep_blank_values", "yes", "yes"),
        ("trusted_proxies", ["::1", "10.0.0.0/8"], "addresses, not '10.0.0.0/8'"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_stored(app, name, value, message):
    before = getattr(app, name)
    with pytest.raises(ValueError, match=message):
        setattr(app, name, value)
    assert getattr(app, name) == before


@pytest.mark.parametrize("value", ["Digest", "digest", "DIGEST"])
def test_auth_type_is_capitalized(app, value):
    assert app.auth_type is None
    app.secret_key = "secret"
    app.auth_type = value
    assert app.auth_type == "Digest"


@pytest.mark.parametrize(
    ("algorithm", "constructor"),
    [
        ("MD5", hashlib.md5),
        ("MD5-sess", hashlib.md5),
        ("SHA-256", hashlib.sha256),
        ("SHA-256-sess", hashlib.sha256),
    ],
)
def test_auth_hash_follows_the_algorithm(app, algorithm, constructor):
    app.auth_algorithm = algorithm
    assert app.auth_hash is constructor


def test_auth_hash_is_md5_by_default_and_read_only(app):
    assert app.auth_hash is hashlib.md5
    with pytest.raises(AttributeError):
        app.auth_hash = hashlib.sha256


def test_sha_512_256_hashes(app):
    app.auth_algorithm = "SHA-512-256"
    digest = app.auth_hash(b"abc").hexdigest()
    assert digest == hashlib.new("sha512_256", b"abc").hexdigest()


def test_auth_map_is_a_plain_attribute_of_each_application(app):
    assert app.auth_map == {}
    app.auth_map = {"realm": {"joe": "digest"}}
    assert Settings().auth_map == {}


@pytest.mark.parametrize(
    ("name", "types"),
    [
        (
            "json_mime_types",
            [
                "application/json",
                "application/javascript",
                "application/merge-patch+json",
            ],
        ),
        (
            "form_mime_types",
            ["application/x-www-form-urlencoded", "multipart/form-data"],
        ),
    ],
)
def test_media_types_are_a_live_list_without_a_setter(app, name, types):
    assert getattr(app, name) == types
    getattr(app, name).append("x/y")
    assert getattr(app, name) == [*types, "x/y"]
    assert getattr(Settings(), name) == types
    with pytest.raises(AttributeError):
        setattr(app, name, [])


def test_options_of_one_application_are_not_those_of_another(app):
    app.debug = True
    assert Settings().debug is False


def test_an_option_shows_itself_on_the_class():
    assert isinstance(Settings.debug, Option)
    assert Settings.debug.default is False


@pytest.mark.parametrize(
    "option", [o for o in vars(Settings).values() if isinstance(o, Option)]
)
def test_every_option_says_what_it_does(option):
    assert option.__doc__.endswith(".")


def test_an_option_changed_after_the_start_counts_for_the_next_request(app, client):
    app.set_route("/", lambda req: str(req.args.get("a")))
    assert client.get("/?a=1").text == "1"
    app.auto_args = False
    assert client.get("/?a=1").text == "None"


@pytest.mark.parametrize(
    ("name", "given", "stored"),
    [
        (name, *pair)
        for name, _, pairs in OPTIONS
        for pair in pairs
        if not hasattr(pair[0], "__get__")
    ],
)
def test_a_default_of_a_subclass_is_made_of_a_value_as_well(name, given, stored):
    own = type("Own", (Settings,), {name: given})()
    assert getattr(own, name) == getattr(own, f"_{name}") == stored
    assert type(getattr(own, name)) is type(stored)


@pytest.mark.parametrize(
    ("name", "value"), [("max_args", -1), ("auth_qop", "x"), ("auth_algorithm", "x")]
)
def test_a_wrong_default_of_a_subclass_is_refused(name, value):
    with pytest.raises(ValueError, match=r"negative|Unsupported"):
        type("Own", (Settings,), {name: value})


def test_one_name_as_a_default_of_a_subclass_is_no_text_to_search_in(request):
    """SECURITY: "d.example" stands in "good.example", and one address in another."""

    class Own(Application):
        allowed_hosts = "good.example"
        trusted_proxies = "10.0.0.10"

    client = TestClient(Own(request.node.nodeid))
    client.app.set_route("/", lambda req: str(req.forwarded_for))
    headers = {"Host": "d.example"}
    assert client.get("/", headers=headers).status_code == 400
    headers = {"Host": "good.example", "X-Forwarded-For": "6.6.6.6"}
    environ = {"REMOTE_ADDR": "10.0.0.1"}
    assert client.get("/", headers=headers, environ=environ).text == "None"
    environ = {"REMOTE_ADDR": "10.0.0.10"}
    assert client.get("/", headers=headers, environ=environ).text == "6.6.6.6"
