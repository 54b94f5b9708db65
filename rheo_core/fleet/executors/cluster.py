"""Cluster: an executor for shards, with facts about the cluster behind it."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

from rheo_core.version import __version__

SHARDS_AT_ONCE = 2
"""Shards that a process runs at a time: one continues while another waits for slow hosts."""

Question = Callable[[], str]
"""Function without arguments, which each process imports by name."""


class ClusterError(Exception):
    """A cluster cannot be used; one sentence."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """An open cluster."""

    executor: Executor
    slots: int  # shards that it runs at a time
    versions: Mapping[str, str] = field(default_factory=dict)  # of rheo, by process; "": none
    dashboard: str = ""  # URL of the engine's own page
    ask: Callable[[Question], Mapping[str, str]] = lambda question: {}
    """Ask the workers, and return the answer of each, by process."""


def rheo_version() -> str:
    """Return the version of rheo in this process."""
    return __version__
