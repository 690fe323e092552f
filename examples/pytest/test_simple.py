"""The fixtures of poorwsgi's plugin; pytest.ini names the application.

pytest examples/pytest
"""


def test_hello(wsgi_client):
    """A client in this process, a fresh one for each test."""
    assert "Hello, Ada!" in wsgi_client.get("/hello/Ada").text


def test_nothing(wsgi_client):
    """`expect` shows all of an answer that has another status."""
    answer = wsgi_client.get("/nothing").expect(404)
    assert "There is no /nothing here." in answer.text


def test_application_is_sound(wsgi_app):
    """What `poorwsgi check` would print."""
    assert wsgi_app.check() == []
