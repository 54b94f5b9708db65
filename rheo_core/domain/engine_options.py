"""Engine options and their defaults.

The settings file, `DownloadManager` and its parts take their defaults from here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from .file_exists import FileExistsStrategy
from .hosts import HostLimits, by_host
from .request_rules import RequestRules
from .rules import Rule
from .tuning import DEFAULT_TUNING, Tuning

MAX_CONCURRENT = 4096
"""Largest number of parallel downloads that the settings allow."""

DEFAULT_CONNECT_TIMEOUT_SECONDS = 30.0
DEFAULT_RESPONSE_TIMEOUT_SECONDS = 300.0
DEFAULT_STALL_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class CompletionHooks:
    """Commands and notifications after the end of a download.

    A command is a program and its arguments; () means no command. `timeout` is in seconds.
    """

    on_complete: tuple[str, ...] = ()
    on_error: tuple[str, ...] = ()
    timeout: float = 60.0
    on_desktop: bool = False


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Options of a `DownloadManager`. Sizes are in bytes, times in seconds, rates in bytes/s.

    Args:
        timeout: limit for a whole attempt; None: no limit.
        max_concurrent: number of downloads that run at once.
        download_dir: folder for the files.
        file_exists_strategy: action if a file exists, unless its config says otherwise.
        connect_timeout: limit for making a connection, including the name lookup.
        response_timeout: limit for the response head, from the start of the connection; it starts
            again for each redirect.
        stall_timeout: time without data after which a connection is treated as stalled.
        speed_limit_bps: limit for all downloads together; None: no limit.
        chunk_size: bytes that a connection collects before it writes them to the disk; fewer if
            there are many connections.
        session_path: file that keeps queue and history; `open` restores them. None: no session.
        connections: connections for one download, if the server supports ranges.
        connections_per_host: connections to one host for all downloads; fewer if it refuses
            some.
        stall_speed: average speed over `stall_timeout` below which a transfer is treated as
            stalled.
        durable: sync data to the disk before anything relies on it. Otherwise a power loss may
            leave a finished file empty or truncated.
        wait_for_room: pause a download while its disk is full. If False, it fails with
            `DiskFullError`. None: wait if there is a session, because an app can continue but a
            script should report the error.
        network_timeout: time to wait while this machine has no network. During this time, failures
            do not count as attempts. None: no limit; 0: they count.
        wait_for_settings: keep downloads queued while a setting that protects them is not valid
            (`RequestRules.unclear`), until `set_defaults` brings other rules. If False, they fail.
        history_days: age after which `open` deletes ended downloads from the history, unless
            they are still in the list; None: never.
        schedule: times with a different speed limit, such as `Mon-Fri 08:00-18:00 2M`. The first
            match applies, in local time (`rheo_core.domain.schedule`).
        slow_limit_bps: limit of slow mode, for all downloads together.
        hosts: limits for individual hosts, by name or as `*.example.org`.
        server_time: set the file's modification time to the server's (Last-Modified).
        origin: store the URL of a file in an extended attribute, without secrets.
        max_size: size of the largest file to download; None: no limit.
        refused_robots_tags: X-Robots-Tag directives, such as `noai`, with which rheo refuses a
            file.
        rules: folders by name, type or host; the first rule that matches applies.
        following: commands and notifications after the end of a download.
        request_rules: options of requests, for all hosts and for individual hosts. A download may
            have its own (`FileConfig.request`).
        tuning: intervals and thresholds without a setting.
    """

    timeout: float | None = None
    max_concurrent: int = 3
    download_dir: Path = Path()
    file_exists_strategy: FileExistsStrategy = FileExistsStrategy.SKIP
    connect_timeout: float | None = DEFAULT_CONNECT_TIMEOUT_SECONDS
    response_timeout: float | None = DEFAULT_RESPONSE_TIMEOUT_SECONDS
    stall_timeout: float | None = DEFAULT_STALL_TIMEOUT_SECONDS
    speed_limit_bps: int | None = None
    chunk_size: int = 4 << 20
    session_path: Path | None = None
    connections: int = 4
    connections_per_host: int = 16
    stall_speed: int = 100
    durable: bool = True
    wait_for_room: bool | None = None
    network_timeout: float | None = 0.0
    wait_for_settings: bool = False
    history_days: int | None = 365
    schedule: Sequence[str] = ()
    slow_limit_bps: int = 100_000
    hosts: Mapping[str, HostLimits] = field(default_factory=dict)
    server_time: bool = False
    origin: bool = False
    max_size: int | None = None
    refused_robots_tags: frozenset[str] = frozenset()
    rules: Sequence[Rule] = ()
    following: CompletionHooks = CompletionHooks()
    request_rules: RequestRules = field(default_factory=RequestRules)
    tuning: Tuning = DEFAULT_TUNING

    def __post_init__(self) -> None:
        for name, minimum in _MINIMA.items():
            _check_number(name, getattr(self, name), minimum)
        for name in _WHOLE:
            if not isinstance(value := getattr(self, name), int):
                raise ValueError(f"{name} is {value!r}; it must be a whole number")
        for name in _POSITIVE:
            _check_number(name, getattr(self, name), 0, is_allowed=False)
        object.__setattr__(self, "hosts", by_host(self.hosts))


_MINIMA = {
    "max_concurrent": 1,
    "connections": 1,
    "connections_per_host": 1,
    "chunk_size": 1,
    "history_days": 1,
    "max_size": 1,
    "slow_limit_bps": 1,
    "speed_limit_bps": 0,
    "stall_speed": 0,
    "network_timeout": 0,
}
_WHOLE = ("max_concurrent", "connections", "connections_per_host", "chunk_size")
_POSITIVE = ("timeout", "connect_timeout", "response_timeout", "stall_timeout")


def _check_number(name: str, value: object, minimum: int, *, is_allowed: bool = True) -> None:
    """Check a number from a caller; None means no limit.

    Raises:
        ValueError: it is too small, or not a number.
    """
    if value is None:
        return
    least = f"{minimum} or more" if is_allowed else f"more than {minimum}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_enough = is_number and (value >= minimum if is_allowed else value > minimum)  # type: ignore[operator]
    if not is_enough:  # NaN too
        raise ValueError(f"{name} is {value!r}; it must be {least}")


DEFAULTS = EngineOptions()


class OtherOptions(TypedDict, total=False):
    """Fields of `EngineOptions` that `DownloadManager` takes unchanged, for type checkers.

    The arguments in its signature are not included.
    """

    connect_timeout: float | None
    response_timeout: float | None
    stall_timeout: float | None
    speed_limit_bps: int | None
    chunk_size: int
    session_path: Path | None
    connections: int
    connections_per_host: int
    stall_speed: int
    durable: bool
    wait_for_room: bool | None
    network_timeout: float | None
    wait_for_settings: bool
    history_days: int | None
    schedule: Sequence[str]
    slow_limit_bps: int
    server_time: bool
    origin: bool
    max_size: int | None
    refused_robots_tags: frozenset[str]
    rules: Sequence[Rule]
    tuning: Tuning
