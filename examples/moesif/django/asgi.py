"""The same Django project as ASGI, by uvicorn, with no event lost on SIGTERM.

uvicorn ends by the very signal it got, and Django has no lifespan in which events
could be sent. Here the signal becomes an exit of the program, which sends them.

Run it with ``python examples/moesif/django/asgi.py``, or under a server as
``examples/moesif/django/asgi.py:application``; ``COLLECTOR`` as in ``app.py``.

    curl -u ann:secret http://127.0.0.1:8080/orders
    curl --json '{"item": "tea", "card": "4111"}' http://127.0.0.1:8080/orders
    curl http://127.0.0.1:8080/health
"""

import os
import signal
import sys
from pathlib import Path

from django.core.asgi import get_asgi_application

sys.path.insert(0, str(Path(__file__).parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
application = get_asgi_application()

if __name__ == "__main__":
    import uvicorn

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(os.environ.get("PORT", "8080"))
    uvicorn.run(application, port=port, lifespan="off")
