"""gunicorn for a site: gunicorn --config gunicorn.conf.py app:application."""

worker_class = "gthread"
workers = 2
threads = 4
#: Seconds without a sign of life after which a worker is replaced.
timeout = 60
graceful_timeout = 10
keepalive = 5
#: Recorded by our own hooks, if at all.
accesslog = None
