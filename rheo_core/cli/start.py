"""Fast start of a program: switch off slow parts of imports until all modules are loaded."""

import gc
import os

_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_is_ours = False
"""True if the variable is set here, not by the user."""


def begin_imports() -> None:
    """Turn off the garbage collector, and the plugins of pydantic.

    Imports make no garbage, and looking for it costs a tenth of the start. pydantic reads the
    metadata of all installed packages to find plugins, which takes 4 ms.
    """
    global _is_ours
    gc.disable()
    if _PLUGINS not in os.environ:
        _is_ours = True
        os.environ[_PLUGINS] = "__all__"


def end_imports() -> None:
    """Turn on the garbage collector. Commands of the user do not inherit our variable.

    Models that are built later find no plugins either.
    """
    global _is_ours
    from pydantic.plugin import _loader as plugins  # imported already

    gc.freeze()  # imported modules stay
    gc.enable()
    if _is_ours:
        _is_ours = False
        del os.environ[_PLUGINS]
        plugins._plugins = {}  # else those of all packages are looked for, and imported, now
