"""An application in several modules, put together in one table.

Handlers know nothing of their paths: pages.py and answers.py have functions,
this file says what is called when. No decorator is used. Run it by
``python examples/dispatch_table/table.py``, or under a server::

    uwsgi --http-socket 127.0.0.1:8080 --chdir examples/dispatch_table \\
        --wsgi-file table.py

    curl -i http://127.0.0.1:8080/
    curl -i http://127.0.0.1:8080/user/Ada
    curl -i -d 'text=Hello' http://127.0.0.1:8080/messages
    curl -i -X DELETE http://127.0.0.1:8080/messages/1
    curl -i http://127.0.0.1:8080/plus/1/2
    curl -i http://127.0.0.1:8080/plus/1/x
    curl -i http://127.0.0.1:8080/fail
    curl -i -X OPTIONS http://127.0.0.1:8080/anything
"""

from __future__ import annotations

import answers
import pages

from poorwsgi import Application, state

application = Application("dispatch_table")

application.set_filter("name", r"[A-Z]\w*", str)

application.set_route("/", pages.index)
application.set_route("/user/<name:name>", pages.user)
application.set_route("/messages", pages.messages, state.METHOD_GET_POST)
application.set_route("/messages/<id:int>", pages.delete_message, state.METHOD_DELETE)
application.set_regular_route(
    r"/plus/(?P<a>\d+)/(?P<b>\d+)$",
    pages.plus,
    converters=(("a", int), ("b", int)),
    rule="/plus/<a>/<b>",
)
application.set_route("/fail", pages.fail)

application.set_default(answers.options, state.METHOD_OPTIONS)
application.set_http_state(state.HTTP_NOT_FOUND, answers.not_found, state.METHOD_ALL)
application.set_error_handler(pages.TooSlowError, answers.too_slow)

application.add_before_response(answers.count)
application.add_after_response(answers.sign)


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
