"""What the connections of one transfer share: where the bytes come from, and how fast they may."""

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from rheo_core.infrastructure.http import Requester
from rheo_core.infrastructure.user_key import user_key
from rheo_core.tracking.record import DownloadRecord

from .hosts import Hosts
from .limits import Limits, Throttle
from .plan import Validator
from .request import Request
from .segments import Segment
from .sources import Source, Sources
from .state import Key, PartState

_BUFFERS = 32 << 20
"""Bytes that all connections together collect before they write, two buffers each."""
_SMALLEST_BATCH = 64 << 10


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """Limits of patience (seconds, None: endless; bytes/s), size of writes (bytes), connections.

    A transfer that brings less than `stall_speed` over `stall_timeout` counts as stalled. With
    `durable` bytes are synced to the disk before anything relies on them. With `server_time` and
    `origin` the file gets Last-Modified as its time, and its URL as an extended attribute.
    `key` signs the states of part files: only what it signed is resumed.
    """

    timeout: float | None = None
    connect_timeout: float | None = 30.0
    stall_timeout: float | None = 60.0
    stall_speed: int = 100
    chunk_size: int = 4 << 20
    connections: int = 1
    durable: bool = True
    server_time: bool = False
    origin: bool = False
    key: Key = user_key

    @property
    def timeouts(self) -> aiohttp.ClientTimeout:
        """The limits of one request."""
        return aiohttp.ClientTimeout(
            total=None, sock_connect=self.connect_timeout, sock_read=self.stall_timeout
        )


class Supply:
    """Sources of one download, requests to them, and their limits.

    Args:
        requester: sends the requests.
        hosts: counts the connections.
        limits: those of all, of hosts and of this download.
        options: how it is fetched.
        record: of the download.
        explain: told why it goes as it goes.
        is_vouched: the file is checked in the end, whatever sources say of it.
    """

    def __init__(
        self,
        requester: Requester,
        hosts: Hosts,
        limits: Limits,
        options: TransferOptions,
        record: DownloadRecord,
        explain: Callable[[str], None],
        *,
        is_vouched: bool,
    ) -> None:
        self.options = options
        self.record = record
        self.explain = explain
        self.is_vouched = is_vouched
        self.sources = Sources(record.config.sources, hosts, options.connections)
        self._requester = requester
        self._hosts = hosts
        self._limits = limits
        self._throttles: dict[str, Throttle] = {}  # by host
        self._timeouts = options.timeouts

    def request(
        self, source: Source, segment: Segment, state: PartState, *, is_counted: bool = False
    ) -> Request:
        """Ask a source; `is_counted` tells that `Hosts` counts this connection already."""
        connection = None
        if not is_counted:
            connection = self._hosts.connection(source.host, self.explain, self.record.id)
        return Request(
            self._requester,
            self._hosts,
            connection,
            source,
            segment,
            state,
            self._version_of(source, state),
            self._timeouts,
            self.record.config.options_for(source.url),
        )

    def _version_of(self, source: Source, state: PartState) -> Validator | None:
        """What replies of `source` must agree with; None: with nothing that is known.

        Validators mean nothing across URLs (RFC 9110 8.8.1). Unless the file is checked in the
        end, two sources are taken to have one file only where they agree.
        """
        if not self.is_vouched:
            return state.validator
        version = source.version
        if version is None and source is self.sources.own:
            version = state.validator  # that it began with, most likely from here
        return version if version is not None and version.if_range is not None else None

    def throttle(self, source: Source) -> Throttle:
        """What connections to a source take from."""
        throttle = self._throttles.get(source.host)
        if throttle is None:
            rate = self.record.config.speed_limit
            throttle = self._limits.throttle(self.record.id, rate, source.host)
            self._throttles[source.host] = throttle
        return throttle

    @property
    def may_be_limited(self) -> bool:
        """Whether anybody has set a limit for these bytes."""
        return self._limits.is_set or self.record.config.speed_limit is not None

    @property
    def is_unlimited(self) -> bool:
        """Whether bytes may come as fast as they can."""
        return not any(throttle.is_limited for throttle in self._throttles.values())

    def is_held(self) -> bool:
        """Whether a connection waits because of a limit."""
        return any(throttle.is_holding for throttle in self._throttles.values())

    def batch_bytes(self) -> int:
        """What one connection collects before it writes: less, the more there are."""
        share = _BUFFERS // (2 * max(self._hosts.in_use, 1))
        return min(self.options.chunk_size, max(share, _SMALLEST_BATCH))
