"""Where an application spends the time of its start, and of each request.

Give this file to the server instead of the application: it imports the real one
under the profiler. Run it by ``python examples/profile_start.py``, or give
``examples/profile_start.py:application`` to any WSGI server::

    curl -i http://127.0.0.1:8080/
    curl -i http://127.0.0.1:8080/hello/Ada
    curl -i http://127.0.0.1:8080/nothing

Then look at what was written, as a table and as a flame graph::

    poorwsgi profile /tmp/start.profile --svg start.svg

``app_data=/var/tmp/profiles`` names another folder, and ``app_requests=on`` writes
a file for each request as well.
"""

from __future__ import annotations

import tempfile
from cProfile import runctx
from pathlib import Path
from typing import Any

from poorwsgi import Application

options = Application.get_options()
FOLDER = Path(options.get("data") or tempfile.gettempdir())

# What is imported here for the first time is what the start is made of, so the
# line stands for everything that an application of yours does when it starts.
names: dict[str, Any] = {}
runctx("from simple import application", {}, names, str(FOLDER / "start.profile"))
application: Application = names["application"]

if options.get("requests") == "on":
    application.set_profile(runctx, str(FOLDER / "request"))

if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
