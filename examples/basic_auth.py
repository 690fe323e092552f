"""HTTP Basic with a password file whose passwords are hashed by scrypt.

Basic sends the password with each request, so serve it by https only. The file
is made and changed by the tool of the module, and read again when it changes::

    python -m poorwsgi.auth users.scrypt joe

Run it. Without app_users a file is made for the example, with the user `joe`
and the password `secret`::

    app_users=users.scrypt python examples/basic_auth.py
    uwsgi --wsgi-file examples/basic_auth.py --http-socket 127.0.0.1:8080

    curl -i http://127.0.0.1:8080/private
    curl -i -u joe:secret http://127.0.0.1:8080/private
    curl -i -u joe:wrong http://127.0.0.1:8080/private/page
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from poorwsgi import Application
from poorwsgi.auth import PasswordFile, check_basic
from poorwsgi.response import Response, TextResponse

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("basic_auth")


def password_file() -> PasswordFile:
    """Return the file that is named in the environment, or one to try."""
    options = application.get_options()
    if "users" in options:
        return PasswordFile(options["users"])
    folder = tempfile.mkdtemp(prefix="basic-auth-")
    users = PasswordFile(os.path.join(folder, "users.scrypt"))
    users.set("joe", "secret")
    return users


users = password_file()


@application.route("/private")
@application.route("/private/<page:word>")
@check_basic("Private Zone", users)
def private(req: Request, page: str = "index") -> Response:
    """Greet the user."""
    return TextResponse(f"Hello {req.user}, this is {page}.\n")


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
