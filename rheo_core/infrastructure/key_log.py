"""SSLKEYLOGFILE: if the log of TLS keys cannot be written, only the log is lost."""

import logging
import os

from rheo_core.domain.text import printable, system_reason

_log = logging.getLogger(__name__)
_VARIABLE = "SSLKEYLOGFILE"


def drop_broken_key_log() -> None:
    """Remove the variable from the environment if its file cannot be written.

    Call it before the first import of the HTTP library, which makes a TLS context at once and would
    fail. Python opens the file for each context.
    """
    path = os.environ.get(_VARIABLE)
    if not path:
        return
    try:
        with open(path, "ab"):  # noqa: PTH123 - the path goes to OpenSSL as it is
            return
    except OSError as error:
        problem = system_reason(error)
    del os.environ[_VARIABLE]
    _log.warning("%s: cannot write %s: %s; no keys are logged", _VARIABLE, printable(path), problem)
