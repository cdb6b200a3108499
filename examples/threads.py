"""Code that blocks belongs into `def` handlers: they run in threads, the others never wait."""

import hashlib
import time

from fasterapi import FasterAPI

app = FasterAPI()


@app.get("/slow")
def slow(seconds: float = 1.0) -> dict[str, float]:
    """Blocks its thread, as a driver without asyncio would."""
    started = time.monotonic()
    time.sleep(seconds)
    return {"seconds": round(time.monotonic() - started, 3)}


@app.get("/digest/{word}")
def digest(word: str, rounds: int = 100_000) -> dict[str, str]:
    """Work for the processor that gives the interpreter lock up."""
    return {"digest": hashlib.pbkdf2_hmac("sha256", word.encode(), b"salt", rounds).hex()}


@app.get("/quick")
async def quick() -> str:
    """Answered at once, whatever the threads are doing."""
    return "quick"
