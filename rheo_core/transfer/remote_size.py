"""Size of a file on the server, for a file that is on the disk already."""

from .context import TransferContext
from .part_state import PartState
from .response_head import NothingLeftError, RangeRefusedError
from .segments import Segment


async def size_at_server(context: TransferContext, size: int) -> int | None:
    """Request the bytes after `size`, and return the size of the server's file.

    The reply to a whole file is short: 416, with the size (RFC 9110 15.5.17). The body of any other
    reply is not read.

    Args:
        context: sources and limits of the download.
        size: bytes on the disk.

    Returns:
        Bytes; None if the server does not report it.

    Raises:
        DownloadError: the server cannot be asked.
    """
    rest = Segment(size, None, size, size)
    try:
        request = await context.request(context.sources.original, rest, PartState()).open()
        async with request:
            return request.head.total
    except NothingLeftError as nothing:
        return nothing.size
    except RangeRefusedError:
        return None
