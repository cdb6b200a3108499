"""The HTTP client library under the test client: httpx2 where it is installed, else httpx."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import httpx2 as httpx
else:
    try:
        import httpx2 as httpx
    except ModuleNotFoundError:
        try:
            import httpx
        except ModuleNotFoundError:
            raise RuntimeError(
                "fasterapi.testclient needs httpx2 (or httpx), which is not installed. "
                "Install it with: pip install httpx2"
            ) from None

__all__ = ["httpx"]
