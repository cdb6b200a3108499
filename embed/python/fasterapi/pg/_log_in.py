"""Logging in: the settings of the session, and how the user proves who it is."""

from __future__ import annotations

import collections

from fasterapi.pg.exceptions import InterfaceError, InvalidPasswordError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio

    from fasterapi._core import PgConnection
    from fasterapi.pg._config import ConnectParameters

__all__ = ["authenticate"]

KEYS_MAX = 64
"""How many derived keys of SCRAM are kept, so that a pool derives each once."""
WITHOUT_PASSWORD = "asks for a password and none was given"
"""What the driver says where the server wants a password that there is not."""

_keys: collections.OrderedDict[tuple[bytes, bytes, int], bytes] = collections.OrderedDict()


async def authenticate(
    loop: asyncio.AbstractEventLoop,
    core: PgConnection,
    params: ConnectParameters,
    password: bytes | None,
) -> None:
    """Log in.

    Raises ``InvalidPasswordError`` where the server wants a password and there is none,
    ``InterfaceError`` where it does not ask for what the program demands, and what the server
    refuses as a ``PostgresError``.
    """
    settings = {
        "client_encoding": "UTF8",
        **(params.server_settings or {}),
        "user": params.user,
        "database": params.database or params.user,
    }
    methods, must_bind, _ = params.demands or (None, False, None)
    try:
        wanted = await core.start(
            list(settings.items()), password, methods=methods, must_bind=must_bind
        )
        if wanted is not None:
            await core.authenticate(await _key(loop, password or b"", *wanted))
    except InterfaceError as error:
        if WITHOUT_PASSWORD not in str(error):
            raise
        raise _no_password(params) from None


def _no_password(params: ConnectParameters) -> InvalidPasswordError:
    return InvalidPasswordError(
        f'the server asks for a password for user "{params.user}" and none was given: neither '
        "password nor DSN, PGPASSWORD or a password file has one"
    )


async def _key(
    loop: asyncio.AbstractEventLoop, password: bytes, salt: bytes, iterations: int
) -> bytes:
    from fasterapi._core import scram_key

    place = (password, salt, iterations)
    key = _keys.get(place)
    if key is None:
        # Thousands of rounds of HMAC by design: not on the loop.
        key = await loop.run_in_executor(None, scram_key, password, salt, iterations)
        _keys[place] = key
        while len(_keys) > KEYS_MAX:
            _keys.popitem(last=False)
    else:
        _keys.move_to_end(place)
    return key
