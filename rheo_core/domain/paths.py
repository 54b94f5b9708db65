"""Check and expand paths in settings, options and lists."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from .text import printable


def expand_path(value: object, what: str) -> Path:
    """Return a path with `~` expanded.

    Args:
        value: a path or its text.
        what: `file` or `folder`, for messages.

    Raises:
        ValueError: the value is not valid. The message continues a sentence after "it".
    """
    text = str(value) if isinstance(value, str | Path) else ""
    if not text.strip() or "\x00" in text:
        raise ValueError(f"should be the path of a {what}")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"should be the path of a {what}; the user does not exist") from None


def absolute_path(value: object, what: str) -> Path:
    """Return an absolute path with `~` expanded; arguments and errors as for `expand_path`."""
    try:
        return expand_path(value, what).absolute()
    except FileNotFoundError:
        raise ValueError("should be an absolute path: the current folder is gone") from None


def check_relative(path: str, what: str) -> None:
    """Check that a path stays within the download folder, by the rules of POSIX and of Windows.

    Both apply on every system, because lists move between systems.

    Args:
        path: an untrusted path.
        what: the option that it comes from, for messages.

    Raises:
        ValueError: the path is absolute or contains `..`.
    """
    shown = printable(path[:200])
    if is_absolute(path):
        raise ValueError(f"{what} {shown!r} must be relative to the download folder")
    if ".." in (*PurePosixPath(path).parts, *PureWindowsPath(path).parts):
        raise ValueError(f"{what} {shown!r} must not contain '..'")


def is_absolute(path: str) -> bool:
    """Return True if a path is at least partly absolute on POSIX or Windows."""
    windows = PureWindowsPath(path)
    return PurePosixPath(path).is_absolute() or bool(windows.drive or windows.root)
