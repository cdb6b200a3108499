"""CancelRequest: asking the server, over a connection of its own, to stop a query."""

from __future__ import annotations

import struct

from fasterapi.pg._socket import Peer, ask_for_tls, open_peer, python_context, python_tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio

    from fasterapi.pg._config import ConnectParameters

__all__ = ["request_cancel"]

CANCEL_REQUEST_CODE = 80877102


async def request_cancel(
    loop: asyncio.AbstractEventLoop,
    peer: Peer,
    params: ConnectParameters,
    pid: int,
    secret: bytes,
    *,
    is_tls: bool,
) -> None:
    """Ask for it, and wait until the server has acted on it.

    The server hangs up once it has sent the signal: a query that is sent later is safe. Raises
    ``OSError`` when the server cannot be reached.
    """
    request = struct.pack("!iiI", 12 + len(secret), CANCEL_REQUEST_CODE, pid) + secret
    plain = await open_peer(loop, peer)
    try:
        if not is_tls:
            await loop.sock_sendall(plain, request)
            while await loop.sock_recv(plain, 64):
                pass
            plain.close()
            return
        if not await ask_for_tls(loop, plain, params, (peer.host, peer.address[1])):
            raise ConnectionError("the server would take the request to cancel only in the clear")
        context = python_context(params)
    except BaseException:
        plain.close()
        raise
    # From here on the socket is a transport's, which alone may close it.
    reader, writer = await python_tls(loop, plain, context, peer.host)
    try:
        writer.write(request)
        await reader.read()
    finally:
        # The server has hung up, or nobody waits for it: there is nothing to say good-bye to.
        writer.transport.abort()
