"""API analytics in a Django project; its settings have the callbacks.

Run it with ``python examples/moesif/django/app.py``, or under a server as
``examples/moesif/django/app.py:application``. ``COLLECTOR`` is the address of
the collector; ``make run-moesif MOESIF=django`` starts one that shows what arrives.

    curl -u ann:secret http://127.0.0.1:8080/orders
    curl --json '{"item": "tea", "card": "4111"}' http://127.0.0.1:8080/orders
    curl http://127.0.0.1:8080/health
"""

import os
import sys
from pathlib import Path
from wsgiref.simple_server import make_server

from django.core.wsgi import get_wsgi_application

sys.path.insert(0, str(Path(__file__).parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
application = get_wsgi_application()

if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8080"))
    with make_server("127.0.0.1", port, application) as server:
        print(f"http://127.0.0.1:{server.server_port}/orders", flush=True)
        server.serve_forever()
