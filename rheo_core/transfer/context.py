"""Context that the connections of one transfer share: sources, requests and limits."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

from rheo_core.domain.engine_options import DEFAULTS, EngineOptions
from rheo_core.domain.exceptions import (
    ProtocolError,
    RobotsTagError,
    TooLargeError,
    WebPageError,
)
from rheo_core.domain.media_types import (
    begins_page,
    is_message,
    is_page,
    is_page_instead,
    is_page_name,
    media_type,
)
from rheo_core.domain.robots_tag import directives_of
from rheo_core.domain.tuning import Tuning
from rheo_core.infrastructure.http import Requester, Timeouts
from rheo_core.infrastructure.user_key import user_key
from rheo_core.tracking.record import DownloadRecord

from .host_limits import Connection, HostLimiter
from .part_state import Key, PartState
from .rate_limits import RateLimits, Throttle
from .request import Request
from .response_head import ResponseHead, Validator
from .segments import Segment
from .sources import Source, Sources

_MIN_BATCH_BYTES = 64 << 10


@dataclass(frozen=True)
class TransferOptions:
    """Fields of `EngineOptions` that concern a transfer, and the key of this user.

    `key` signs the states of part files. Only signed states are resumed.
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
        """Return the options of an engine that concern a transfer."""
        names = {each.name for each in fields(cls)}
        return cls(**{k: v for k, v in options.as_arguments().items() if k in names})

    @cached_property
    def timeouts(self) -> Timeouts:
        """Time limits of one request."""
        return Timeouts(self.connect_timeout, self.stall_timeout)


class TransferContext:
    """Sources of one download, requests to them, and their limits.

    Args:
        requester: sends the requests.
        hosts: counts the connections.
        limits: speed limits of all downloads, of hosts and of this download.
        options: options of the transfer.
        record: the download.
        explain: called with the reason for the present state.
        verified_at_end: the whole file is verified at the end, so sources need not agree.
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
        self.verified_at_end = verified_at_end
        self.sources = Sources(record.config.sources, hosts, options.connections)
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
        counted: Connection | None = None,
    ) -> Request:
        """Return a request to a source. It may use the place `counted`, and leaves it taken."""
        place = counted or self._hosts.connection(source.host, self.explain, self.record.id)
        return Request(
            self._requester,
            place,
            self.sources,
            source,
            segment,
            state,
            self._version_of(source, state),
            self._timeouts,
            self.record.config.options_for(source.url),
            self.check_page,
            self.options.tuning,
            is_counted=counted is not None,
        )

    def _version_of(self, source: Source, state: PartState) -> Validator | None:
        """Return the validator that replies of `source` must match; None: any reply will do.

        Validators cannot be compared across URLs (RFC 9110 8.8.1). Unless the file is verified at
        the end, two sources have the same file only if their validators agree.
        """
        if not self.verified_at_end:
            # Two hosts of one file often share its date, and rarely a weak ETag.
            is_only = self.sources.count == 1
            return state.validator if is_only else replace(state.validator, weak_etag=None)
        version = source.version
        if version is None and source is self.sources.original:
            version = state.validator  # of the beginning, most likely from here
        return version if version is not None and version.if_range is not None else None

    def check_page(self, head: ResponseHead, state: PartState) -> None:
        """Refuse a web page that is sent instead of the file.

        A sign-in page must neither replace a partial file nor pass for the file. If it replaces
        nothing and a checksum is known, the checksum decides.

        Raises:
            WebPageError: the reply is such a page.
        """
        record, config = self.record, self.record.config
        if config.accept_html or head.type is None:
            return
        recorded = state.media_type or record.stats.media_type or media_type(config.type)
        if head.partial and (recorded is None or not is_page(head.type)):
            return  # old mirrors call every file text/plain
        is_kept = self._is_kept(state)
        is_named = head.name is not None and not is_page_name(head.name)
        if (is_named or head.is_attachment) and (head.partial or not is_kept):
            return
        if self.verified_at_end and not is_kept:
            return
        if is_page_instead(head.type, recorded, config.names, bytes_are_there=is_kept):
            raise self._page_error(head, is_kept=is_kept)

    def is_in_danger(self, head: ResponseHead, state: PartState) -> bool:
        """Return True if this reply would replace a partial file that can be resumed."""
        return not (head.partial or self.record.config.accept_html) and self._is_kept(state)

    def check_beginning(self, head: ResponseHead, first: bytes, on_disk: bytes) -> None:
        """Refuse a reply that would replace a partial file and begins like a web page.

        Error pages often have no media type, or that of the file. A reply without type and bytes
        is refused too.

        Raises:
            WebPageError: the reply begins like a page, and the bytes on the disk do not.
        """
        is_page_only_now = begins_page(first) and not begins_page(on_disk)
        if is_page_only_now or (not first and head.type is None):
            raise self._page_error(head, is_kept=True, is_page_inside=is_page_only_now)

    def _is_kept(self, state: PartState) -> bool:
        if not self.record.bytes_downloaded:
            return False
        is_resumable = state.validator.if_range is not None or self.record.config.pieces is not None
        return is_resumable or state.is_whole

    def _page_error(
        self, head: ResponseHead, *, is_kept: bool, is_page_inside: bool = False
    ) -> WebPageError:
        if is_page_inside or is_page(head.type):
            what = "a web page"
        else:
            what = "text" if is_message(head.type) else "another kind of data"
        size = None if head.partial else head.total
        return WebPageError(head.type or "", self.record.name, size, is_kept=is_kept, what=what)

    def check_robots_tag(self, head: ResponseHead) -> None:
        """Refuse a file that programs are asked not to use.

        Raises:
            RobotsTagError: a directive is one of `refused_robots_tags`.
        """
        if head.robots_tags and self.options.refused_robots_tags:
            refused = directives_of(head.robots_tags) & self.options.refused_robots_tags
            if refused:
                raise RobotsTagError(min(refused))

    def check_size(self, size: int) -> None:
        """Check the size of the file against the limit and the expected size.

        Raises:
            TooLargeError: it is larger than `max_size`.
            ProtocolError: another size was expected.
        """
        limit, config = self.options.max_size, self.record.config
        if limit is not None and size > limit:
            raise TooLargeError(limit, size)
        expected = config.size_bytes
        if expected is not None and size != expected:
            raise ProtocolError(f"the server offers {size} bytes instead of {expected}")
        if config.pieces is not None:
            try:
                config.pieces.check_size(size)
            except ValueError as error:
                raise ProtocolError(f"the server offers a different file: {error}") from None

    def check_growth(self, size: int) -> None:
        """Check the first `size` bytes of a body of unknown length, as `check_size`."""
        limit, expected = self.options.max_size, self.record.config.size_bytes
        if limit is not None and size > limit:
            raise TooLargeError(limit)
        if expected is not None and size > expected:
            raise ProtocolError(f"the server sent more than the expected {expected} bytes")

    def throttle(self, host: str) -> Throttle:
        """Return the throttle for connections to a host."""
        throttle = self._throttles.get(host)
        if throttle is None:
            rate = self.record.config.speed_limit
            throttle = self._throttles[host] = self._limits.throttle(self.record.id, rate, host)
        return throttle

    @property
    def may_be_limited(self) -> bool:
        """True if a limit of speed applies to these bytes."""
        return self._limits.is_set or self.record.config.speed_limit is not None

    @property
    def is_unlimited(self) -> bool:
        """True if no limit of speed applies."""
        return not any(throttle.is_limited for throttle in self._throttles.values())

    def is_throttled(self) -> bool:
        """Return True if a connection waits because of a limit."""
        return any(throttle.is_waiting for throttle in self._throttles.values())

    def batch_bytes(self) -> int:
        """Return the bytes that one connection collects before a write; fewer if there are many."""
        share = self._buffer_bytes // (2 * max(self._hosts.in_use, 1))
        return min(self.options.chunk_size, max(share, _MIN_BATCH_BYTES))
