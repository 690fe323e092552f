"""Constants have the numbers that applications wrote down, and no others."""

import warnings

import pytest

from poorwsgi import state

STATUSES = {
    "CONTINUE": 100,
    "SWITCHING_PROTOCOLS": 101,
    "PROCESSING": 102,
    "OK": 200,
    "CREATED": 201,
    "ACCEPTED": 202,
    "NON_AUTHORITATIVE": 203,
    "NO_CONTENT": 204,
    "RESET_CONTENT": 205,
    "PARTIAL_CONTENT": 206,
    "MULTI_STATUS": 207,
    "ALREADY_REPORTED": 208,
    "IM_USED": 226,
    "MULTIPLE_CHOICES": 300,
    "MOVED_PERMANENTLY": 301,
    "MOVED_TEMPORARILY": 302,
    "SEE_OTHER": 303,
    "NOT_MODIFIED": 304,
    "USE_PROXY": 305,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
    "BAD_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "PAYMENT_REQUIRED": 402,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_ACCEPTABLE": 406,
    "PROXY_AUTHENTICATION_REQUIRED": 407,
    "REQUEST_TIME_OUT": 408,
    "CONFLICT": 409,
    "GONE": 410,
    "LENGTH_REQUIRED": 411,
    "PRECONDITION_FAILED": 412,
    "REQUEST_ENTITY_TOO_LARGE": 413,
    "REQUEST_URI_TOO_LARGE": 414,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RANGE_NOT_SATISFIABLE": 416,
    "EXPECTATION_FAILED": 417,
    "I_AM_A_TEAPOT": 418,
    "UNPROCESSABLE_ENTITY": 422,
    "LOCKED": 423,
    "FAILED_DEPENDENCY": 424,
    "UPGRADE_REQUIRED": 426,
    "PRECONDITION_REQUIRED": 428,
    "TOO_MANY_REQUESTS": 429,
    "REQUEST_HEADER_FIELDS_TOO_LARGE": 431,
    "CONNECTION_CLOSED_WITHOUT_RESPONSE": 444,
    "UNAVAILABLE_FOR_LEGAL_REASONS": 451,
    "CLIENT_CLOSED_REQUEST": 499,
    "INTERNAL_SERVER_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "BAD_GATEWAY": 502,
    "SERVICE_UNAVAILABLE": 503,
    "GATEWAY_TIME_OUT": 504,
    "VERSION_NOT_SUPPORTED": 505,
    "VARIANT_ALSO_VARIES": 506,
    "INSUFFICIENT_STORAGE": 507,
    "LOOP_DETECTED": 508,
    "NOT_EXTENDED": 510,
    "NETWORK_AUTHENTICATION_REQUIRED": 511,
    "NETWORK_CONNECT_TIMEOUT_ERROR": 599,
}

METHODS = {
    "HEAD": 1,
    "GET": 2,
    "POST": 4,
    "PUT": 8,
    "DELETE": 16,
    "TRACE": 32,
    "OPTIONS": 64,
    "CONNECT": 128,
    "PATCH": 256,
}


@pytest.mark.parametrize(("name", "number"), STATUSES.items())
def test_status_has_its_number_and_a_reason(name, number):
    assert getattr(state, f"HTTP_{name}") == number
    assert state.REASONS[number].strip()


def test_every_status_constant_has_a_reason():
    constants = {v for k, v in vars(state).items() if k.startswith("HTTP_")}
    assert constants <= state.REASONS.keys()


def test_declined_is_zero():
    assert state.DECLINED == 0


@pytest.mark.parametrize(("name", "bit"), METHODS.items())
def test_method_has_its_bit(name, bit):
    assert getattr(state, f"METHOD_{name}") == state.methods[name] == bit


def test_masks_are_sums_of_methods():
    assert state.METHOD_GET_POST == 1 | 2 | 4
    assert sum(METHODS.values()) == state.METHOD_ALL == 511


def test_methods_keep_the_order_of_their_bits():
    assert list(state.methods.items()) == list(METHODS.items())
    assert state.sorted_methods == list(METHODS.items())


@pytest.mark.parametrize("name", ["__author__", "__date__", "__version__"])
def test_module_tells_about_itself(name):
    assert isinstance(getattr(state, name), str)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (state.BodyError, 400),
        (state.BodyTooLargeError, 413),
        (state.BodyTimeoutError, 408),
    ],
)
def test_errors_of_bodies_know_their_status(error, status):
    assert error("why").status_code == status
    assert issubclass(error, ValueError)


def test_a_body_that_is_late_is_also_a_timeout():
    assert issubclass(state.BodyTimeoutError, TimeoutError)


def test_deprecated_warns_at_the_caller_and_calls_through():
    @state.deprecated("use new")
    def old(a, *, b):
        """Doc."""
        return a + b

    with pytest.warns(
        DeprecationWarning, match="^Call to deprecated old use new$"
    ) as w:
        assert old(1, b=2) == 3
    assert w[0].filename == __file__
    assert (old.__name__, old.__doc__) == ("old", "Doc.")


def test_deprecated_does_not_warn_before_the_call():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state.deprecated()(len)
