"""An answer that comes word by word, as from a language model: `fasterapi run examples/tokens.py`.

As events, which a browser takes up where it has lost them, and as plain text for everybody else:
`curl -N 'localhost:8000/answer.txt?question=Why'`.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fasterapi import SSE, FasterAPI, FileResponse, Query, StreamingResponse

PAGE = Path(__file__).parent / "pages" / "tokens.html"
RECONNECT_MS = 500
ANSWER = """You ask: {question}

That is a good question, and this program does not know the answer. It can show how one arrives,
though: each token is sent when it is there, so that reading can begin before the thinking ends.

When you go away, the task that makes the answer is cancelled, and nobody pays for the rest."""

Question = Annotated[str, Query(min_length=1, max_length=500)]
Pace = Annotated[float, Query(ge=0, le=5)]

app = FasterAPI(title="tokens")


async def think(question: str, pause_s: float, first: int = 0) -> AsyncIterator[str]:
    """The tokens of the answer, from number ``first``; here is where a model would be asked."""
    for token in re.findall(r"\s*\S+", ANSWER.format(question=question))[first:]:
        await asyncio.sleep(pause_s)
        yield token


@app.get("/")
async def page() -> FileResponse:
    """A page that asks."""
    return FileResponse(PAGE)


@app.sse("/answer")
async def answer(sse: SSE, question: Question, pause_s: Pace = 0.05) -> None:
    """One event for each token, numbered, and one that says that this is all."""
    last = sse.last_event_id or ""
    number = int(last) + 1 if last.isdecimal() else 0
    async for token in think(question, pause_s, number):
        await sse.send(token, event="token", id=str(number), retry=RECONNECT_MS)
        number += 1
    await sse.send({"tokens": number}, event="done")


@app.get("/answer.txt")
async def answer_as_text(question: Question, pause_s: Pace = 0.05) -> StreamingResponse:
    """The same tokens and nothing else."""
    return StreamingResponse(think(question, pause_s), media_type="text/plain")
