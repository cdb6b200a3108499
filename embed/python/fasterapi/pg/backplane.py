"""Channels over PostgreSQL: what one server publishes reaches the others by LISTEN and NOTIFY."""

from __future__ import annotations

import asyncio
import binascii
import logging
import struct
import time
from typing import Any, Literal

from fasterapi.pg._notifications import Gap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fasterapi.pg._notifications import Notifications
    from fasterapi.pg.database import Database
    from fasterapi.pg.pool import Pool

__all__ = ["MessageTooLongError", "PostgresBackplane"]

PAYLOAD_BYTES_MAX = 7_999
"""The longest payload that NOTIFY takes: it must be shorter than 8,000 bytes."""
CLEAN_EVERY_S = 10.0
"""How often long messages that everybody has had are removed, in seconds."""
QUEUE_NOTIFICATIONS_MAX = 100_000
"""How many messages wait for a shard that does not keep up."""
CLOSE_S_MAX = 5.0
"""How long the backplane's own connections may take to close, in seconds."""
NAME_HEAD = struct.Struct("!H")
"""The length of the channel's name in bytes; the name and the envelope follow."""
INLINE, STORED = "m", "s"
"""What a payload begins with: the message itself in base64, or the number of its row."""
LOCK = 0x66617374
"""The advisory lock under which the table is made: two servers may start at once."""

logger = logging.getLogger(__name__)


class MessageTooLongError(ValueError):
    """A message does not fit into a notification, and the backplane may not store it."""


def pack(channel: str, envelope: bytes) -> bytes:
    """The two in one piece."""
    name = channel.encode()
    return NAME_HEAD.pack(len(name)) + name + envelope


def unpack(content: bytes) -> tuple[str, bytes]:
    """What ``pack`` has packed; raises ``ValueError`` for anything else."""
    if len(content) < NAME_HEAD.size:
        raise ValueError("no message")
    (length,) = NAME_HEAD.unpack_from(content)
    end = NAME_HEAD.size + length
    if len(content) < end:
        raise ValueError("no message")
    return content[NAME_HEAD.size : end].decode(), content[end:]


class PostgresBackplane:
    """Carries an application's channels between servers that use one database.

    ``app.channels.backplane = PostgresBackplane(dsn)``; instead of a DSN it takes a pool, or the
    application's database (``app.pg``), of which one connection listens all the time. With a DSN
    each shard has two connections of its own, beside those of ``app.postgres``.

    A message whose notification would have 8,000 bytes or more (some 5,900 before base64) goes
    through the table ``table``, which is made if it is not there: unlogged, emptied by a crash of
    the server, its rows removed after ``keep_s`` seconds. With ``long_messages="refuse"`` there is
    no table, and such a message raises ``MessageTooLongError``, which the channels log and count.

    Servers whose backplanes have the same ``channel`` share their messages. What is published
    while a server has no connection to the database does not reach it; ``gaps`` counts how often
    that was so. Replicas (standby servers) of PostgreSQL and poolers in transaction mode cannot
    LISTEN: this needs a session with the primary.
    """

    def __init__(
        self,
        source: str | Pool | Database,
        *,
        channel: str = "fasterapi_channels",
        long_messages: Literal["store", "refuse"] = "store",
        table: str = "fasterapi_channel_messages",
        keep_s: float = 60.0,
        **pool_options: Any,
    ) -> None:
        """Nothing is connected yet. ``pool_options`` are ``create_pool``'s, with a DSN only."""
        if long_messages not in ("store", "refuse"):
            raise ValueError('long_messages must be "store" or "refuse"')
        if keep_s <= 0:
            raise ValueError("keep_s must be greater than zero")
        if pool_options and not isinstance(source, str):
            raise ValueError("options of the pool are of use with a DSN only")
        from fasterapi.pg._listeners import quote_identifier

        self.gaps = 0
        """How often the connection was lost, and messages of other servers perhaps with it."""
        self.lost = 0
        """How many long messages were not in the table any more, or came too fast."""
        self._source = source
        self._channel = channel
        self._stores = long_messages == "store"
        self._table = ".".join(quote_identifier(part) for part in table.split("."))
        self._keep_s = keep_s
        self._pool_options = pool_options
        self._pool: Pool | None = None
        self._notifications: Notifications | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._cleaned_at = 0.0

    async def start(self, deliver: Callable[[str, bytes], None]) -> None:
        """Connect, make the table, and listen. Raises what these raise."""
        pool = await self._open()
        try:
            if self._stores:
                await self._make_table(pool)
            notifications = pool.listen(
                self._channel, queue_notifications_max=QUEUE_NOTIFICATIONS_MAX
            )
            self._notifications = await notifications.__aenter__()
        except BaseException:
            await self._close()
            raise
        self._receiving = asyncio.create_task(self._receive(notifications, deliver))

    async def _open(self) -> Pool:
        from fasterapi.pg.database import Database
        from fasterapi.pg.pool import create_pool

        source = self._source
        if isinstance(source, str):
            options = {"min_size": 1, "max_size": 2, **self._pool_options}
            self._pool = await create_pool(source, **options)
        else:
            self._pool = source.pool if isinstance(source, Database) else source
        if self._pool.get_max_size() < 2:
            await self._close()
            raise ValueError(
                "the backplane's pool needs two connections: one of them listens all the time"
            )
        return self._pool

    async def _close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None and isinstance(self._source, str):
            try:
                await asyncio.wait_for(pool.close(), CLOSE_S_MAX)
            except TimeoutError:
                pool.terminate()

    async def _make_table(self, pool: Pool) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            if await connection.fetchval("SELECT to_regclass($1)", self._table) is not None:
                return
            await connection.execute(
                f"CREATE UNLOGGED TABLE {self._table} ("
                "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
                "at timestamptz NOT NULL DEFAULT clock_timestamp(), "
                "content bytea NOT NULL)"
            )
            await connection.execute(f"CREATE INDEX ON {self._table} (at)")

    async def publish(self, channel: str, envelope: bytes) -> None:
        """Send to all other servers. Raises ``MessageTooLongError``, and what queries raise."""
        pool = self._pool
        if pool is None:
            raise RuntimeError("the backplane has not been started")
        content = pack(channel, envelope)
        payload = INLINE + binascii.b2a_base64(content, newline=False).decode()
        if len(payload) <= PAYLOAD_BYTES_MAX:
            await pool.execute("SELECT pg_notify($1, $2)", self._channel, payload)
        elif self._stores:
            await pool.execute(
                f"WITH stored AS (INSERT INTO {self._table} (content) VALUES ($1) RETURNING id) "
                f"SELECT pg_notify($2, '{STORED}' || id) FROM stored",
                content,
                self._channel,
            )
            await self._clean(pool)
        else:
            raise MessageTooLongError(
                f"a message of {len(envelope)} bytes does not fit into a notification"
            )

    async def _clean(self, pool: Pool) -> None:
        """Remove what everybody has had, now and then."""
        now = time.monotonic()
        if now - self._cleaned_at < CLEAN_EVERY_S:
            return
        self._cleaned_at = now
        await pool.execute(
            f"DELETE FROM {self._table} WHERE at < clock_timestamp() - make_interval(secs => $1)",
            self._keep_s,
        )

    async def _receive(
        self, notifications: Notifications, deliver: Callable[[str, bytes], None]
    ) -> None:
        dropped = 0
        async for notification in notifications:
            if isinstance(notification, Gap):
                self.gaps += 1
                logger.warning(
                    "the backplane had no connection for %.1f s: messages of other servers are "
                    "missing",
                    notification.lost_s,
                )
                continue
            self.lost += notifications.dropped - dropped
            dropped = notifications.dropped
            try:
                content = await self._content(notification.payload)
                if content is None:
                    self.lost += 1
                else:
                    deliver(*unpack(content))
            except Exception as error:  # the next message may fare better
                self.lost += 1
                logger.warning("the backplane lost a message: %r", error)

    async def _content(self, payload: str) -> bytes | None:
        """What a notification says, or what it says where to find; ``None`` if it is gone."""
        kind, rest = payload[:1], payload[1:]
        if kind == INLINE:
            return binascii.a2b_base64(rest, strict_mode=True)
        if kind != STORED or self._pool is None:
            raise ValueError("no message of a backplane")
        content: bytes | None = await self._pool.fetchval(
            f"SELECT content FROM {self._table} WHERE id = $1", int(rest)
        )
        return content

    async def stop(self) -> None:
        """Listen no more, and disconnect."""
        receiving, self._receiving = self._receiving, None
        notifications, self._notifications = self._notifications, None
        if receiving is not None:
            receiving.cancel()
            await asyncio.wait([receiving])
        if notifications is not None:
            await notifications.__aexit__(None, None, None)
        await self._close()
