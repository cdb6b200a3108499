"""Cookies: the ``Set-Cookie`` field's value, and the ``Cookie`` field's pairs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


def http_date(moment: datetime) -> str:
    """``moment`` in the format of RFC 9110, section 5.6.7, whatever the locale.

    Raises ``ValueError`` when it has no time zone, because then it is ambiguous.
    """
    from datetime import UTC

    if moment.tzinfo is None:
        raise ValueError("expires needs a time zone, such as datetime.now(UTC)")
    utc = moment.astimezone(UTC)
    day, month = _DAYS[utc.weekday()], _MONTHS[utc.month - 1]
    return f"{day}, {utc.day:02d} {month} {utc.year:04d} {utc:%H:%M:%S} GMT"


def set_cookie_value(
    key: str,
    value: str,
    max_age: int | None,
    expires: datetime | str | int | None,
    path: str | None,
    domain: str | None,
    secure: bool,
    httponly: bool,
    samesite: str | None,
    partitioned: bool,
) -> str:
    """The value of one ``Set-Cookie`` field; see ``Response.set_cookie``."""
    from http.cookies import SimpleCookie

    cookies: SimpleCookie = SimpleCookie()
    cookies[key] = value
    morsel = cookies[key]
    if max_age is not None:
        morsel["max-age"] = max_age
    if expires is not None:
        # The morsel itself writes a number as that many seconds from now.
        morsel["expires"] = expires if isinstance(expires, int | str) else http_date(expires)
    if path is not None:
        morsel["path"] = path
    if domain is not None:
        morsel["domain"] = domain
    if secure:
        morsel["secure"] = True
    if httponly:
        morsel["httponly"] = True
    if samesite is not None:
        if samesite.lower() not in ("lax", "strict", "none"):
            raise ValueError(f"samesite must be 'lax', 'strict' or 'none', not {samesite!r}")
        morsel["samesite"] = samesite
    # http.cookies knows the attribute from Python 3.14 on; the text is the same.
    return morsel.OutputString() + ("; Partitioned" if partitioned else "")


def parse_cookies(header: str) -> dict[str, str]:
    """The pairs of a ``Cookie`` field, as browsers read them.

    Never fails: a piece without ``=`` is a cookie without a name, and the last
    pair of a name wins. Quoted values are unquoted.
    """
    cookies: dict[str, str] = {}
    for piece in header.split(";"):
        key, found, value = piece.partition("=")
        if not found:
            key, value = "", piece
        key, value = key.strip(), value.strip()
        if key or value:
            cookies[key] = unquote(value)
    return cookies


def unquote(value: str) -> str:
    r"""Undo the quoting of ``http.cookies``: ``"a\054b"`` is ``a,b``."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    inner = value[1:-1]
    if "\\" not in inner:
        return inner
    parts = []
    index = 0
    while index < len(inner):
        if inner[index] != "\\":
            end = inner.find("\\", index)
            end = len(inner) if end < 0 else end
            parts.append(inner[index:end])
            index = end
            continue
        octal = inner[index + 1 : index + 4]
        if len(octal) == 3 and octal[0] in "0123" and set(octal) <= set("01234567"):
            parts.append(chr(int(octal, 8)))
            index += 4
        else:
            parts.append(inner[index + 1 : index + 2] or "\\")
            index += 2
    return "".join(parts)
