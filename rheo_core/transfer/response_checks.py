"""Check responses: refuse web pages instead of files, wrong sizes and robots tags.

`response_head.py` checks status, ranges and validators.
"""

from rheo_core.domain.exceptions import (
    ProtocolError,
    RobotsTagError,
    TooLargeError,
    WebPageError,
)
from rheo_core.domain.file_extensions import is_page_name
from rheo_core.domain.media_types import (
    begins_page,
    is_message,
    is_page,
    is_page_instead,
    media_type,
)
from rheo_core.domain.robots_tag import directives_of
from rheo_core.domain.units import count_text
from rheo_core.tracking.record import DownloadRecord

from .part_state import PartState
from .response_head import ResponseHead


class ResponseChecks:
    """Refuses responses that cannot be the file of a download.

    Args:
        record: the download.
        max_size: size of the largest file, bytes; None: no limit.
        refused_tags: refused directives of X-Robots-Tag.
        verified_at_end: the whole file is verified at the end, so the check there decides.
    """

    def __init__(
        self,
        record: DownloadRecord,
        max_size: int | None,
        refused_tags: frozenset[str],
        *,
        verified_at_end: bool,
    ) -> None:
        self.verified_at_end = verified_at_end
        self._record = record
        self._max_size = max_size
        self._refused_tags = refused_tags

    def page(self, head: ResponseHead, state: PartState) -> None:
        """Refuse a web page sent instead of the file.

        A sign-in page must neither replace a partial file nor pass for the file. If it replaces
        nothing and a checksum is known, the checksum decides.

        Raises:
            WebPageError: the response is such a page.
        """
        record, config = self._record, self._record.config
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
        """Return True if this response would replace a partial file that can be resumed."""
        return not (head.partial or self._record.config.accept_html) and self._is_kept(state)

    def beginning(self, head: ResponseHead, first: bytes, on_disk: bytes) -> None:
        """Refuse a response that would replace a partial file and begins like a web page.

        Error pages often have no media type, or that of the file. A response without type and bytes
        is refused too.

        Raises:
            WebPageError: the response begins like a page, and the bytes on the disk do not.
        """
        is_page_only_now = begins_page(first) and not begins_page(on_disk)
        if is_page_only_now or (not first and head.type is None):
            raise self._page_error(head, is_kept=True, is_page_inside=is_page_only_now)

    def _is_kept(self, state: PartState) -> bool:
        if not self._record.bytes_downloaded:
            return False
        is_resumable = (
            state.validator.if_range is not None or self._record.config.pieces is not None
        )
        return is_resumable or state.is_whole

    def _page_error(
        self, head: ResponseHead, *, is_kept: bool, is_page_inside: bool = False
    ) -> WebPageError:
        if is_page_inside or is_page(head.type):
            what = "a web page"
        else:
            what = "text" if is_message(head.type) else "another kind of data"
        size = None if head.partial else head.total
        return WebPageError(head.type or "", self._record.name, size, is_kept=is_kept, what=what)

    def robots_tag(self, head: ResponseHead) -> None:
        """Refuse a file that its owner asks programs not to use.

        Raises:
            RobotsTagError: a directive is one of the refused ones.
        """
        if head.robots_tags and self._refused_tags:
            refused = directives_of(head.robots_tags) & self._refused_tags
            if refused:
                raise RobotsTagError(min(refused))

    def size(self, size: int) -> None:
        """Check the size of the file against the limit and the expected size.

        Raises:
            TooLargeError: it is larger than `max_size`.
            ProtocolError: another size was expected.
        """
        limit, config = self._max_size, self._record.config
        if limit is not None and size > limit:
            raise TooLargeError(limit, size)
        expected = config.size_bytes
        if expected is not None and size != expected:
            raise ProtocolError(
                f"the server offers {count_text(size, 'byte')} instead of {expected:,}"
            )
        if config.pieces is not None:
            try:
                config.pieces.check_size(size)
            except ValueError as error:
                raise ProtocolError(f"the server offers a different file: {error}") from None

    def growth(self, size: int) -> None:
        """Check the first `size` bytes of a body of unknown length, as `size` does."""
        limit, expected = self._max_size, self._record.config.size_bytes
        if limit is not None and size > limit:
            raise TooLargeError(limit)
        if expected is not None and size > expected:
            raise ProtocolError(
                f"the server sent more than the expected {count_text(expected, 'byte')}"
            )
