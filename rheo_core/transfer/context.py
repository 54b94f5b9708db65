"""TransferContext: sources, options and limits that the connections of a transfer share."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

from rheo_core.domain.engine_options import DEFAULTS, EngineOptions
from rheo_core.domain.tuning import Tuning
from rheo_core.infrastructure.http import Requester, Timeouts
from rheo_core.infrastructure.user_key import user_key
from rheo_core.tracking.record import DownloadRecord

from .connection_permit import ConnectionPermit
from .host_limits import HostLimiter
from .part_state import Key, PartState
from .rate_limits import RateLimits, Throttle
from .request import Request
from .response_checks import ResponseChecks
from .segments import Segment
from .sources import Source, Sources
from .validators import Validator

_MIN_BATCH_BYTES = 64 << 10


@dataclass(frozen=True)
class TransferOptions:
    """Fields of `EngineOptions` for a transfer, and the user's key.

    `key` signs the states of part files. rheo resumes only from signed states.
    """

    timeout: float | None = DEFAULTS.timeout
    connect_timeout: float | None = DEFAULTS.connect_timeout
    response_timeout: float | None = DEFAULTS.response_timeout
    stall_timeout: float | None = DEFAULTS.stall_timeout
    stall_speed: int = DEFAULTS.stall_speed
    chunk_size: int = DEFAULTS.chunk_size
    connections: int = DEFAULTS.connections
    durable: bool = DEFAULTS.durable
    server_time: bool = DEFAULTS.server_time
    origin: bool = DEFAULTS.origin
    max_size: int | None = DEFAULTS.max_size
    refused_robots_tags: frozenset[str] = DEFAULTS.refused_robots_tags
    tuning: Tuning = DEFAULTS.tuning
    key: Key = user_key

    @classmethod
    def of(cls, options: EngineOptions) -> Self:
        """Return the options for a transfer from those of an engine."""
        names = {each.name for each in fields(cls)}
        return cls(**{k: v for k, v in vars(options).items() if k in names})

    @cached_property
    def timeouts(self) -> Timeouts:
        """Time limits of one request."""
        return Timeouts(self.connect_timeout, self.stall_timeout)


class TransferContext:
    """Sources, requests and limits of one download.

    Args:
        requester: sends the requests.
        hosts: counts the connections.
        limits: speed limits of all downloads, of hosts and of this download.
        options: options of the transfer.
        record: the download.
        explain: called with the reason for the current state.
        verified_at_end: a hash verifies the whole file at the end, so sources need not agree.
    """

    def __init__(
        self,
        requester: Requester,
        hosts: HostLimiter,
        limits: RateLimits,
        options: TransferOptions,
        record: DownloadRecord,
        explain: Callable[[str], None],
        *,
        verified_at_end: bool,
    ) -> None:
        self.options = options
        self.record = record
        self.explain = explain
        self.checks = ResponseChecks(
            record, options.max_size, options.refused_robots_tags, verified_at_end=verified_at_end
        )
        self.sources = Sources(
            record.config.sources, hosts, options.connections, record.stats.wrong_urls
        )
        self._requester = requester
        self._hosts = hosts
        self._limits = limits
        self._throttles: dict[str, Throttle] = {}  # by host
        self._timeouts = options.timeouts
        self._buffer_bytes = options.tuning.buffer_bytes

    def request(
        self,
        source: Source,
        segment: Segment,
        state: PartState,
        counted: ConnectionPermit | None = None,
    ) -> Request:
        """Return a request to a source. It can use the permit `counted`, which it does not end."""
        permit = counted or ConnectionPermit(self._hosts, source.host, self.explain, self.record.id)
        return Request(
            self._requester,
            permit,
            self.sources,
            source,
            segment,
            state,
            self._version_of(source, state),
            self._timeouts,
            self.record.config.options_for(source.url),
            self.checks.page,
            self.options.tuning,
            is_counted=counted is not None,
        )

    def _version_of(self, source: Source, state: PartState) -> Validator | None:
        """Return the validator that responses of `source` must match; None: accept any.

        Validators of different URLs are not comparable (RFC 9110 8.8.1). Without a hash of the
        file, rheo still assumes that two sources have the same file if their validators agree.
        """
        own = source.version
        if own is None and source is self.sources.original:
            own = state.validator  # of the beginning, most likely from here
        if not self.checks.verified_at_end:
            # Two hosts of one file often share its date, and rarely a weak ETag.
            weak = None if own is None else own.weak_etag
            if state.validator.weak_etag == weak:  # as mostly, and `replace` takes 3 µs
                return state.validator
            return replace(state.validator, weak_etag=weak)
        return own if own is not None and own.if_range is not None else None

    def throttle(self, host: str) -> Throttle:
        """Return the throttle for connections to a host."""
        throttle = self._throttles.get(host)
        if throttle is None:
            rate = self.record.config.speed_limit
            throttle = self._throttles[host] = self._limits.throttle(self.record.id, rate, host)
        return throttle

    @property
    def may_be_limited(self) -> bool:
        """True if a speed limit applies to these bytes."""
        return self._limits.is_set or self.record.config.speed_limit is not None

    @property
    def is_unlimited(self) -> bool:
        """True if no speed limit applies."""
        return not any(throttle.is_limited for throttle in self._throttles.values())

    def is_throttled(self) -> bool:
        """Return True if a connection waits because of a limit."""
        return any(throttle.is_waiting for throttle in self._throttles.values())

    def batch_bytes(self) -> int:
        """Return the bytes that a connection collects before a write; fewer if there are many."""
        share = self._buffer_bytes // (2 * max(self._hosts.in_use, 1))
        return min(self.options.chunk_size, max(share, _MIN_BATCH_BYTES))
