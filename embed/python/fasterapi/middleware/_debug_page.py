"""A traceback as an HTML page: the innermost frame first and open, the others folded."""

from __future__ import annotations

from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from traceback import FrameSummary

_FRAMES_MAX = 50
_LINES_AROUND = 4
_TEXT_CHARACTERS_MAX = 4000

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem }}
h1 {{ font-size: 1.2rem; color: #b3261e; overflow-wrap: anywhere; white-space: pre-wrap }}
summary {{ cursor: pointer; padding: .3rem 0; overflow-wrap: anywhere }}
pre {{ background: #f4f4f6; margin: 0 0 .6rem; overflow-x: auto; padding: .6rem }}
mark {{ background: #ffd9d6; display: block }}
</style></head><body>
<p>500: an exception was not handled.</p>
<h1>{error}</h1>
{frames}
</body></html>
"""


def debug_page(exc: BaseException) -> str:
    """The page for ``exc`` and for what it was raised from; all text is escaped."""
    frames = "\n".join(_chain(exc))
    title = escape(type(exc).__name__)
    return _PAGE.format(title=title, error=_headline(exc), frames=frames)


def _headline(exc: BaseException) -> str:
    return escape(f"{type(exc).__qualname__}: {exc}"[:_TEXT_CHARACTERS_MAX])


def _chain(exc: BaseException) -> Iterator[str]:
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        if seen:
            yield f"<h2>Before it</h2><h1>{_headline(current)}</h1>"
        seen.add(id(current))
        yield from _frames(current)
        hidden = current.__suppress_context__
        current = current.__cause__ or (None if hidden else current.__context__)


def _frames(exc: BaseException) -> Iterator[str]:
    from traceback import extract_tb

    for index, frame in enumerate(reversed(extract_tb(exc.__traceback__, -_FRAMES_MAX))):
        place = f"{escape(frame.filename)}, line {frame.lineno}, in <b>{escape(frame.name)}</b>"
        opened = "" if index else " open"
        yield f"<details{opened}><summary>{place}</summary><pre>{_source(frame)}</pre></details>"


def _source(frame: FrameSummary) -> str:
    from linecache import getline

    line = frame.lineno or 0
    shown = []
    for number in range(max(1, line - _LINES_AROUND), line + _LINES_AROUND + 1):
        text = getline(frame.filename, number)
        if text:
            row = f"{number:>5}  {escape(text.rstrip())}"
            shown.append(f"<mark>{row}</mark>" if number == line else row + "\n")
    return "".join(shown)
