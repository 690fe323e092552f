"""Options: what is taken, what is refused, what is shown."""

import logging

import pytest
from fake_perimeterx import APP_ID, KEY, TOKEN

from poorwsgi.perimeterx import PerimeterX
from poorwsgi.perimeterx.config import OPTIONS, Config

REQUIRED = {"app_id": APP_ID, "cookie_key": KEY, "auth_token": TOKEN}

DEFAULTS = {
    "module_enabled": True,
    "module_mode": "monitor",
    "blocking_score": 100,
    "send_page_activities": True,
    "debug_mode": False,
    "sensitive_routes": (),
    "whitelist_routes": (),
    "sensitive_headers": ("cookie", "cookies"),
    "ip_headers": (),
    "first_party_enabled": True,
    "custom_request_handler": None,
    "additional_activity_handler": None,
    "first_party_xhr_enabled": True,
    "api_timeout": 1000,
    "max_buffer_len": 30,
    "px_backend_url": None,
    "encryption_enabled": True,
    "custom_logo": "",
    "css_ref": "",
    "js_ref": "",
    "bypass_monitor_header": "",
    "enforced_specific_routes": (),
    "enrich_custom_parameters": None,
    "get_user_ip": None,
    "collector_url": None,
    "client_url": None,
    "captcha_url": None,
}


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items())
def test_each_option_has_its_default(name, default):
    assert getattr(Config(REQUIRED), name) == default
    assert getattr(Config(REQUIRED | {name: None}), name) == default


def test_the_table_of_options_is_whole():
    assert {option.name for option in OPTIONS} == DEFAULTS.keys() | REQUIRED.keys()


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [..., None, "", 7])
def test_a_required_option_is_required(name, value):
    options = REQUIRED | {name: value}
    if value is ...:
        del options[name]
    with pytest.raises(ValueError, match=name):
        PerimeterX(None, options)


def test_no_configuration_is_a_value_error():
    with pytest.raises(ValueError, match="required"):
        PerimeterX(None, None)


def test_a_configuration_that_is_no_mapping_is_a_type_error():
    with pytest.raises(TypeError):
        PerimeterX(None, [("app_id", APP_ID)])


@pytest.mark.parametrize(
    "app_id", ["PX", "PXä1234", "PX.evil.org", "PX/../x", "PX@evil", "PX 12", "PX\n12"]
)
def test_an_app_id_cannot_leave_its_host_name(app_id):
    with pytest.raises(ValueError, match="app_id"):
        Config(REQUIRED | {"app_id": app_id})


@pytest.mark.parametrize("token", ["a\r\nX: y", "a b", "ä"])
def test_a_token_cannot_leave_its_header(token):
    with pytest.raises(ValueError, match="auth_token"):
        Config(REQUIRED | {"auth_token": token})


WRONG = [
    ("module_mode", "block", ValueError),
    ("module_mode", 1, ValueError),
    ("blocking_score", -1, ValueError),
    ("blocking_score", 101, ValueError),
    ("blocking_score", "70", TypeError),
    ("blocking_score", True, TypeError),
    ("module_enabled", "false", TypeError),
    ("sensitive_routes", "/login", TypeError),
    ("whitelist_routes", "/static", TypeError),
    ("enforced_specific_routes", "/shop", TypeError),
    ("sensitive_headers", "cookie", TypeError),
    ("ip_headers", "x-real-ip", TypeError),
    ("whitelist_routes", [b"/static"], TypeError),
    ("whitelist_routes", 5, TypeError),
    ("whitelist_routes", [""], ValueError),
    ("api_timeout", 0, ValueError),
    ("api_timeout", -5, ValueError),
    ("api_timeout", float("nan"), ValueError),
    ("api_timeout", "1000", TypeError),
    ("max_buffer_len", "30", TypeError),
    ("custom_logo", b"x", TypeError),
    ("bypass_monitor_header", "x y", ValueError),
    ("custom_request_handler", "handler", TypeError),
    ("get_user_ip", 5, TypeError),
]
WRONG += [
    (name, url, ValueError)
    for name in ("px_backend_url", "collector_url", "client_url", "captcha_url")
    for url in (
        "",
        "evil",
        "ftp://host",
        "https://",
        "http://user:pass@host",
        "http://host?x",
        "http://host#x",
        "http://host:99999",
        "http://ho st",
        "http://host\r\nX: y",
        7,
    )
]


@pytest.mark.parametrize(("name", "value", "error"), WRONG)
def test_a_wrong_value_is_refused_by_name(name, value, error):
    with pytest.raises(error, match=name):
        Config(REQUIRED | {name: value})


def test_every_refusal_is_a_value_error():
    """One except clause is enough for whoever reads options from a file."""
    with pytest.raises(ValueError, match="module_enabled"):
        Config(REQUIRED | {"module_enabled": "yes"})


@pytest.mark.parametrize(("given", "taken"), [(0, 1), (-7, 1), (1, 1), (500, 500)])
def test_a_batch_has_at_least_one_activity(given, taken):
    assert Config(REQUIRED | {"max_buffer_len": given}).max_buffer_len == taken


@pytest.mark.parametrize(
    ("options", "enabled"),
    [
        ({}, True),
        ({"first_party": False}, False),
        ({"first_party_enabled": False}, False),
        ({"first_party": True, "first_party_enabled": False}, False),
        ({"first_party": False, "first_party_enabled": True}, True),
    ],
)
def test_first_party_is_an_alias(options, enabled):
    assert Config(REQUIRED | options).first_party_enabled is enabled


def test_unknown_options_are_logged_once(caplog):
    with caplog.at_level(logging.WARNING, "poorwsgi.perimeterx"):
        Config(REQUIRED | {"testing_mode": True, "app\nid": 1})
    (record,) = caplog.records
    assert "'testing_mode'" in record.getMessage()
    assert "'app\\nid'" in record.getMessage()


def test_the_mapping_is_copied():
    given = dict(REQUIRED, first_party=False, whitelist_routes=["/a"])
    before = dict(given, whitelist_routes=["/a"])
    config = Config(given)
    assert given == before
    given["whitelist_routes"].append("/b")
    assert config.whitelist_routes == ("/a",)


def test_a_configuration_is_read_only():
    with pytest.raises(AttributeError):
        Config(REQUIRED).blocking_score = 1


def test_a_repr_shows_no_secret():
    text = repr(Config(REQUIRED | {"blocking_score": 70}))
    assert KEY not in text
    assert TOKEN not in text
    assert "blocking_score=70" in text


def test_debug_mode_lowers_only_this_logger():
    log = logging.getLogger("poorwsgi.perimeterx")
    before, root = log.level, logging.getLogger().level
    try:
        PerimeterX(None, REQUIRED | {"debug_mode": True, "module_enabled": False})
        assert log.level == logging.DEBUG
        assert logging.getLogger().level == root
    finally:
        log.setLevel(before)


def test_the_logger_has_a_null_handler_and_nothing_else():
    log = logging.getLogger("poorwsgi.perimeterx")
    PerimeterX(None, REQUIRED | {"module_enabled": False})
    assert [type(handler) for handler in log.handlers] == [logging.NullHandler]


@pytest.mark.parametrize(
    ("options", "base"),
    [
        ({}, "https://sapi-pxabcd1234.perimeterx.net"),
        ({"px_backend_url": "http://127.0.0.1:81/"}, "http://127.0.0.1:81"),
        ({"px_backend_url": "http://[::1]:81/px"}, "http://[::1]:81/px"),
    ],
)
def test_the_api_server_follows_from_the_app_id(options, base):
    assert Config(REQUIRED | options).api_base == base


@pytest.mark.parametrize(
    ("options", "base"),
    [
        ({}, "https://collector-pxabcd1234.perimeterx.net"),
        ({"px_backend_url": "http://a"}, "http://a"),
        ({"px_backend_url": "http://a", "collector_url": "http://b"}, "http://b"),
    ],
)
def test_the_collector_is_told_before_the_backend(options, base):
    assert Config(REQUIRED | options).collector_base == base
