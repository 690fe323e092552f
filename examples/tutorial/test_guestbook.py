"""Tutorial, step 5: tests of the guestbook. Run them by ``pytest``."""

import guestbook
import pytest

from poorwsgi.auth import PasswordFile
from poorwsgi.testing import TestClient

# What browsers send with a form of the same site.
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Return a client of a guestbook with one user and no entry."""
    users = PasswordFile(tmp_path / "users.scrypt")
    users.set("ada", "secret")
    monkeypatch.setattr(guestbook, "USERS", users)
    monkeypatch.setattr(guestbook, "DATABASE", str(tmp_path / "test.db"))
    return TestClient(guestbook.application)


def log_in(client, password="secret"):
    """Send the form of the log-in page."""
    return client.post("/login", data={"name": "ada", "password": password})


def write(client, text, headers=SAME_SITE, **options):
    """Send the form of the start page."""
    return client.post("/", data={"text": text}, headers=headers, **options)


def test_strangers_only_read(client):
    assert 'href="/login"' in client.get("/").text
    answer = write(client, "Hi")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_a_wrong_password_is_refused(client):
    assert log_in(client, "guess").status_code == 403
    assert "Log in" in client.get("/").text


def test_who_is_logged_in_writes(client):
    log_in(client)
    answer = write(client, "<b>Hi", follow_redirects=True)
    assert "ada: &lt;b&gt;Hi" in answer.text


def test_an_empty_entry_is_refused(client):
    log_in(client)
    assert write(client, " ").status_code == 400


def test_other_sites_can_not_write(client):
    log_in(client)
    assert write(client, "x", {"Sec-Fetch-Site": "cross-site"}).status_code == 403
