"""An application can use every public name that PoorWSGI 2.8.1 has."""

import ast
import importlib
from pathlib import Path

import pytest
from every_name import CASES, application

from poorwsgi import state
from poorwsgi.testing import TestClient

#: The names of 2.8.1, by module or by class.
NAMES = {
    "poorwsgi": "Application abort make_response redirect",
    "poorwsgi.state": """
        __author__ __date__ __version__ DECLINED methods sorted_methods deprecated
        METHOD_ALL METHOD_POST METHOD_PUT METHOD_TRACE HTTP_OK HTTP_NOT_FOUND""",
    "poorwsgi.wsgi": """
        AUTH_DIGEST_ALGORITHMS re_filter re_invalid_filter to_response""",
    "poorwsgi.wsgi.Application": """
        name auto_args auto_form auto_json auto_data auto_cookies cached_size data_size
        read_timeout keep_blank_values strict_parsing file_callback json_mime_types
        form_mime_types debug document_root document_index secret_key auth_type
        auth_algorithm auth_hash auth_qop auth_timeout filters before after defaults
        routes regular_routes states errors set_filter route set_route pop_route
        is_route regular_route set_regular_route pop_regular_route is_regular_route
        default set_default pop_default http_state set_http_state pop_http_state
        error_handler set_error_handler pop_error_handler add_before_response
        pop_before_response after_response add_after_response pop_after_response
        before_request add_before_request pop_before_request after_request
        add_after_request pop_after_request get_options set_profile del_profile
        state_from_table error_from_table handler_from_default handler_from_before
        handler_from_table __request__ __profile_request__ __original_request__""",
    "poorwsgi.request": """
        SimpleRequest Request EmptyForm Args JsonDict JsonList CachedInput
        parse_json_request FieldStorage RE_HTTPURLPATTERN RE_AUTHORIZATION Headers""",
    "poorwsgi.request.SimpleRequest": """
        environ poor_environ debug uri_rule uri_handler error_handler hostname
        host_port method method_number path uri query full_path remote_host remote_addr
        referer user_agent server_scheme scheme server_software server_admin
        server_hostname server_port port server_protocol protocol forwarded_for
        forwarded_host forwarded_port forwarded_proto secret_key document_root
        document_index start_time end_time get_options construct_url""",
    "poorwsgi.request.Request": """
        headers mime_type charset content_length accept accept_charset accept_encoding
        accept_language accept_html accept_xhtml accept_json authorization is_xhr
        is_body_request is_chunked is_chunked_request path_args args form json cookies
        data input user api db read read_chunk""",
    "poorwsgi.response": """
        IBytesIO BaseResponse Response PartialResponse JSONResponse TextResponse
        FileObjResponse FileResponse GeneratorResponse StrGeneratorResponse
        JSONGeneratorResponse NoContentResponse EmptyResponse Declined RedirectResponse
        NotModifiedResponse ResponseError HTTPException make_response redirect abort
        JSON_GENERATOR NOT_MODIFIED_DENY NOT_MODIFIED_ONE_OF_REQUIRED""",
    "poorwsgi.response.Response": """
        status_code reason content_length data headers add_header ranges make_partial
        make_range __start_response__ __end_of_response__ write""",
    "poorwsgi.response.IBytesIO": "read_kilo",
    "poorwsgi.response.HTTPException": "status_code response make_response",
    "poorwsgi.headers": """
        HEADER_DATETIME_FORMAT HeadersList RangeList RE_BYTES_RANGE parse_header
        parse_negotiation render_negotiation parse_range datetime_to_http time_to_http
        http_to_datetime http_to_time ContentRange Headers""",
    "poorwsgi.headers.Headers": """
        names keys values items get_all get setdefault add add_header iso88591 utf8""",
}
PAIRS = [(place, name) for place, names in NAMES.items() for name in names.split()]


def found(place):
    """Return a module, or a class by the module before it."""
    module, _, last = place.rpartition(".")
    if last[:1].isupper():
        return getattr(importlib.import_module(module), last)
    return importlib.import_module(place)


def words_of(path):
    """Return all identifiers in a program."""
    words = set()
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.alias):
            words.add(node.name)
    return words


USED = words_of(Path(__file__).with_name("every_name.py"))


@pytest.mark.parametrize(("place", "name"), PAIRS)
def test_name_exists_and_the_application_uses_it(place, name):
    assert hasattr(found(place), name)
    assert name in USED


@pytest.mark.parametrize(
    "name", ["wsgi", "request", "response", "headers", "state", "fieldstorage"]
)
def test_submodules_are_attributes_of_the_package(name):
    package = importlib.import_module("poorwsgi")
    assert getattr(package, name).__name__ == f"poorwsgi.{name}"


def test_the_root_exports_four_names():
    package = importlib.import_module("poorwsgi")
    assert package.__all__ == ["Application", "abort", "make_response", "redirect"]


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "body"),
    CASES,
    ids=[f"{method} {path}" for method, path, *_ in CASES],
)
def test_application_answers(method, path, options, status, body):
    answer = TestClient(application).request(method, path, **options)
    assert answer.status_code == status, answer.text
    assert answer.headers["X-After"] == "database"
    if isinstance(body, dict):
        assert {key: answer.json[key] for key in body} == body
    elif isinstance(body, list):
        assert answer.json == body
    elif body is not None:
        assert answer.text == body


def test_chunks_are_read_by_hand():
    answer = TestClient(application).post("/chunks", body=b"a" * 20, chunked=True)
    assert answer.json == {"chunked": True, "body": "a" * 20}


def test_every_status_is_used():
    codes = {v for k, v in vars(state).items() if k.startswith("HTTP_")}
    assert TestClient(application).get("/state").json["codes"] == len(codes)
