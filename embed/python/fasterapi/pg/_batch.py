"""A statement run once for each of many tuples of arguments."""

from __future__ import annotations

import asyncio
from typing import Any

from fasterapi.pg.exceptions import InvalidCursorNameError, PostgresError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from fasterapi._core import PgConnection, PgOperation, PgStatement

__all__ = ["run_batch"]

UNSENT_BYTES_MAX = 1 << 18
"""Past so many bytes that the server has not taken, no more arguments are encoded."""
REFUSAL_S_MAX = 1.0
"""How long a server is given to say what it has against the arguments before those that failed, in
seconds; then it is asked to stop."""


async def run_batch(
    core: PgConnection,
    statement: PgStatement,
    args: Iterable[Iterable[Any]],
    timeout_s: float | None,
    *,
    rows: bool,
) -> Any:
    """Run it; returns the list of all rows if ``rows``.

    Outside of a transaction all runs take effect, or none. Raises what ``args`` raises,
    ``DataError`` for an argument that does not fit, ``TimeoutError``, a ``PostgresError``.
    """
    operation, batch = core.run_many(statement, args, rows=rows, timeout=timeout_s)
    if batch.is_complete:
        return await operation
    try:
        async with asyncio.timeout(timeout_s):
            while not batch.is_complete:
                # An answer may have come: when it is an error, the rest is in vain.
                await asyncio.sleep(0)
                while core.unsent > UNSENT_BYTES_MAX and not batch.is_refused:
                    await core.change()
                if batch.is_refused:
                    batch.abandon()
                else:
                    batch.feed()
            return await operation
    except Exception as error:
        if not batch.is_complete and not core.is_closed:
            batch.abandon()
            refusal = await _refusal(operation)
            if refusal is not None:
                # The server was first.
                raise refusal from error
        raise
    except BaseException:
        if not batch.is_complete and not core.is_closed:
            batch.abandon()
            # The server is asked to stop: what was sent may take it long.
            operation.close()
        raise


async def _refusal(operation: PgOperation) -> Exception | None:
    """What the server had against what was sent, but for what ends an abandoned batch."""
    try:
        async with asyncio.timeout(REFUSAL_S_MAX):
            await operation
    except InvalidCursorNameError:
        return None
    except PostgresError as error:
        return error
    except Exception:
        return None
    return None
