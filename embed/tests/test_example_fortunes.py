"""`examples/fortunes.py` through the binary."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from live_server import REPOSITORY, binary, own_virtual_environment
from postgres_cluster import HERE

if TYPE_CHECKING:
    from conftest import Serve
    from postgres_cluster import Cluster

EXAMPLE = REPOSITORY / "examples/fortunes.py"


def test_fortunes(serve: Serve, postgres: Cluster) -> None:
    """Two shards make one table; the page is sorted and escaped."""
    with postgres.database("fortunes") as name:
        env = own_virtual_environment() | {"DATABASE_URL": postgres.dsn(database=name)}
        server = serve("fortunes:app", cwd=EXAMPLE.parent, env=env, shards=2)
        answer = server.get("/fortunes")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "<script>" not in answer.text
        rows = re.findall(r"<tr><td>(\d+)</td><td>(.*?)</td></tr>", answer.text)
        messages = [html.unescape(message) for _, message in rows]
        assert len(messages) == 13
        assert messages == sorted(messages)
        assert ("0", "Additional fortune added at request time.") in rows
        assert "フレームワークのベンチマーク" in messages
        assert (
            '<script>alert("This should not be displayed in a browser alert box.");</script>'
            in (messages)
        )
        with ThreadPoolExecutor(8) as threads:
            pages = list(threads.map(lambda _: server.get("/fortunes").text, range(40)))
        assert set(pages) == {answer.text}
        server.stop()


@pytest.mark.seconds(60)
def test_the_documented_command(postgres: Cluster) -> None:
    """A throwaway server for one command, which finds it by DATABASE_URL."""
    assert postgres.port
    script = f"""
import os, signal, subprocess, time, urllib.request
command = [{str(binary())!r}, "run", {str(EXAMPLE)!r}, "--port", "0", "--shards", "1"]
server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
for line in server.stdout:
    if " on http" in line:
        url = line.split(" on ")[1].split()[0]
        break
print(len(urllib.request.urlopen(url + "/fortunes", timeout=10).read()))
server.send_signal(signal.SIGTERM)
print(server.wait(20))
"""
    done = subprocess.run(
        [sys.executable, str(HERE / "postgres_cluster.py"), sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    size, code = done.stdout.split()[-2:]
    assert int(size) > 1000
    assert code == "0"
