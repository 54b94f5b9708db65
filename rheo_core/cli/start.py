"""Fast start of a program: switch off slow parts of imports until all modules are loaded."""

import gc
import os

_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_is_ours = False
"""True if the variable is set here, not by the user."""


def begin_imports() -> None:
    """Turn off garbage collection, and the plugins of pydantic.

    Imports produce no garbage, and searching for it takes a tenth of the start. pydantic reads the
    metadata of all installed packages to find plugins, which takes 4 ms.
    """
    global _is_ours
    gc.disable()
    if _PLUGINS not in os.environ:
        _is_ours = True
        os.environ[_PLUGINS] = "__all__"


def end_imports() -> None:
    """Turn on garbage collection. The user's commands do not inherit our variable.

    Models built later find no plugins either.
    """
    global _is_ours
    from pydantic.plugin import _loader as plugins  # imported already

    gc.freeze()  # imported modules stay
    gc.enable()
    if _is_ours:
        _is_ours = False
        del os.environ[_PLUGINS]
        plugins._plugins = {}  # otherwise pydantic would now search all packages and import them
