"""Ask the server for the size of a file that already exists on the disk."""

from .context import TransferContext
from .part_state import PartState
from .response_head import NothingLeftError, RangeRefusedError, ResponseHead
from .segments import Segment


async def size_at_server(context: TransferContext, size: int) -> int | None:
    """Request the bytes after `size`, and return the size of the server's file.

    If the local file is complete, the response is 416 with the size (RFC 9110 15.5.17). Other
    bodies are not read. If the response ignores the range, rheo sends a request without one.

    Args:
        context: sources and limits of the download.
        size: bytes on the disk.

    Returns:
        Size in bytes; None if the server does not report it.

    Raises:
        DownloadError: the request fails.
    """
    try:
        head = await _head_of(context, size)
        if size and not head.partial:  # it may still be a part: see `check_whole`
            head = await _head_of(context, 0)
        return head.total
    except NothingLeftError as nothing:
        return nothing.size
    except RangeRefusedError:
        return None


async def _head_of(context: TransferContext, offset: int) -> ResponseHead:
    rest = Segment(offset, None, offset, offset)
    async with await context.request(context.sources.original, rest, PartState()).open() as request:
        return request.head
