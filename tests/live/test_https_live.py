"""Behind a proxy that takes https the application knows that it is https."""

import pytest
from client import ask
from conftest import REQUIRED, make_root
from servers import SERVERS, Running, missing_programs


class BehindHttps(Running):
    """A server behind nginx, which says what it would say of a request by https."""

    def _nginx(self, upstream):
        server = super()._nginx(upstream)
        config = self.folder / "nginx.conf"
        config.write_text(config.read_text().replace("$scheme", "https"))
        return server


@pytest.mark.live
@pytest.mark.parametrize(
    "server", [one for one in SERVERS if one.nginx], ids=lambda server: server.name
)
def test_urls_are_those_that_the_browser_sees(server, tmp_path):
    """So cookies get Secure, and redirects do not lead to http."""
    missing = missing_programs(server)
    if missing:
        message = f"not installed: {', '.join(missing)}"
        pytest.fail(message) if REQUIRED else pytest.skip(message)
    make_root(tmp_path / "root")
    running = BehindHttps(server, tmp_path)
    running.start()
    try:
        host, port = running.address
        answer = ask(running.address, "GET", "/own-url")
    finally:
        running.stop()
    assert answer.text == f"https://{host}:{port}/own-url", running.log
