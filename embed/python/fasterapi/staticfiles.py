"""Static files: what to serve. Rust opens and sends the files."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

__all__ = ["StaticFiles"]


class StaticFiles:
    """A folder to mount: ``app.mount("/static", StaticFiles("static"))``.

    With ``html`` a folder is answered with its ``index.html`` and a missing file
    with ``404.html``. Symbolic links that leave the folder are not followed
    unless ``follow_symlink`` is set. With ``check_dir`` a missing folder raises
    ``RuntimeError`` at once, not at the first request.
    """

    __slots__ = ("check_dir", "directory", "follow_symlink", "html")

    def __init__(
        self,
        directory: str | PathLike[str],
        html: bool = False,
        check_dir: bool = True,
        follow_symlink: bool = False,
    ) -> None:
        """Keep the settings; ``directory`` becomes an absolute path."""
        import os

        self.directory: str = os.path.abspath(os.fspath(directory))
        self.html = html
        self.check_dir = check_dir
        self.follow_symlink = follow_symlink
        if check_dir and not os.path.isdir(self.directory):
            raise RuntimeError(f"Directory '{self.directory}' does not exist")

    def __repr__(self) -> str:
        """The folder."""
        return f"StaticFiles(directory={self.directory!r}, html={self.html!r})"
