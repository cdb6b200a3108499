"""One row of the comparison: a request, and how to tell that it was answered rightly."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONNECTIONS = 64
PIPELINES = (1, 16)


@dataclass(frozen=True)
class Answer:
    """What a server sent; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> bytes:
        """The body as it was before compression."""
        is_compressed = self.headers.get("content-encoding") == "gzip"
        return gzip.decompress(self.body) if is_compressed else self.body


@dataclass(frozen=True)
class Row:
    """One request, the same to every server that has the row."""

    name: str
    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    # What the answer must be. A server may have another status of its own.
    status: int = 200
    text: str | None = None
    value: Any = None
    mentions: str = ""
    answer_headers: tuple[tuple[str, str], ...] = ()
    # How it is measured.
    connections: int = CONNECTIONS
    pipelines: tuple[int, ...] = PIPELINES

    def problem(self, answer: Answer, status: int) -> str | None:
        """What is wrong with an answer, or `None`."""
        if answer.status != status:
            return f"status {answer.status}"
        for name, value in self.answer_headers:
            if answer.headers.get(name) != value:
                return f"{name} is {answer.headers.get(name)}, not {value}"
        content = answer.content.decode(errors="replace")
        is_right = self.mentions in content
        if self.text is not None:
            # A handler's str is JSON in some frameworks and text in others: quotes do not count.
            is_right = content.strip('"\n') == self.text
        elif self.value is not None:
            is_right = is_same_json(content, self.value)
        return None if is_right else f"answers {content[:60]!r}"


def is_same_json(text: str, value: object) -> bool:
    """Whether a text is JSON for a value, whatever its spaces and the order of its keys."""
    try:
        return bool(json.loads(text) == value)
    except ValueError:
        return False
