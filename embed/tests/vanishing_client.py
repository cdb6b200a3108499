"""Run by test_sse.py in a network of its own, which is then taken away from both ends."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from live_server import APPS, Server, own_virtual_environment, read_until, wait_until


def main() -> None:
    """Fail unless the handler of a client that has vanished ends."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = Path(sys.argv[1])
    over = folder / "over"
    options = ["--port", "0", "--shards", "1", "--send-timeout-s", "1", "--drain-timeout-s", "3"]
    environment = {**own_virtual_environment(), "TEST_OVER": str(over)}
    server = Server(["events:app", *options], folder / "server.log", cwd=APPS, env=environment)
    try:
        server.wait_ready()
        with server.connect() as connection:
            connection.sendall(b"GET /vanishes HTTP/1.1\r\nhost: a\r\n\r\n")
            assert b"begun" in read_until(connection, b"begun\n\n")
            subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
            begun = time.monotonic()
            wait_until(over.exists, 15.0, "the handler ends")
            assert time.monotonic() - begun < 10
        assert server.stop() == 0
    finally:
        server.kill()


if __name__ == "__main__":
    main()
