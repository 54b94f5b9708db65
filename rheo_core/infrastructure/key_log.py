"""SSLKEYLOGFILE: ignore a TLS key log that cannot be written."""

import logging
import os
import stat

from rheo_core.domain.text import printable, system_reason

_log = logging.getLogger(__name__)
_VARIABLE = "SSLKEYLOGFILE"
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""Flags for the log. Without O_NONBLOCK, a pipe that nobody reads would block for ever."""
_COMMENT = b"# TLS keys of rheo\n"
"""Line that the format permits. If it cannot be written, every handshake would fail later."""


def drop_broken_key_log() -> None:
    """Remove the variable from the environment if its file cannot be written.

    Call it before the first import of the HTTP library, which creates a TLS context at once and
    would fail. Python opens the file for each context.
    """
    path = os.environ.get(_VARIABLE)
    if not path:
        return
    problem = _problem_of(path)
    if problem is None:
        return
    del os.environ[_VARIABLE]
    _log.warning("%s: cannot write %s: %s; no keys are logged", _VARIABLE, printable(path), problem)


def _problem_of(path: str) -> str | None:
    try:
        descriptor = os.open(path, _APPEND, 0o600)  # OpenSSL gets the path unchanged
    except OSError as error:
        return system_reason(error)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return "it is not a regular file"
        os.write(descriptor, _COMMENT)
    except OSError as error:
        return system_reason(error)
    finally:
        os.close(descriptor)
    return None
