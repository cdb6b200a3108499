"""Runs fastpysgi on one port: `fastpysgi_server.py wsgi|asgi PORT`."""

import sys

import fastpysgi  # type: ignore[import-untyped, import-not-found, unused-ignore]


def main() -> None:
    interface, port = sys.argv[1], int(sys.argv[2])
    # With Nagle's algorithm, its default, pipelined answers wait 40 ms for the client's ACK.
    fastpysgi.server.tcp_nodelay = 1
    if interface == "wsgi":
        from wsgi_app import app as wsgi

        fastpysgi.run(wsgi, host="127.0.0.1", port=port)
    else:
        from asgi_app import app as asgi

        fastpysgi.run(asgi, host="127.0.0.1", port=port)


main()
