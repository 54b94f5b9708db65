"""Details of one download that the inspector of the app shows.

Sizes and offsets are in bytes, speeds in bytes/s, ages in seconds. Texts are printable and contain
no secrets.
"""

from typing import NamedTuple


class ConnectionDetails(NamedTuple):
    """One connection of a running transfer."""

    start: int  # offset of the first byte of its range
    end: int | None  # exclusive; None: up to the end of the body
    received: int  # offset up to which its bytes have arrived
    host: str
    speed_bps: float
    age_seconds: float
    idle_seconds: float  # since its last bytes


class TransferDetails(NamedTuple):
    """A running transfer: ranges of the file and the connections that fetch the others."""

    total: int | None
    written: tuple[tuple[int, int], ...]  # start and end (exclusive) of the ranges on the disk
    connections: tuple[ConnectionDetails, ...]


class Hop(NamedTuple):
    """One request and its response. All but the last hop of an exchange are redirects."""

    url: str
    status: int  # 0: no response came
    reason: str
    request: tuple[tuple[str, str], ...]  # header fields
    response: tuple[tuple[str, str], ...]


class DownloadDetails(NamedTuple):
    """Facts about a download that its snapshot leaves out."""

    id: str
    folder: str
    referer: str = ""
    mirrors: tuple[str, ...] = ()
    expected_hash: str = ""  # `sha256:…`; "" if the user gave none
    media_type: str = ""
    place: int | None = None  # in the queue, 1 is next; None: it does not wait in line
    waiting: int = 0  # downloads in the queue
    connections: int | None = None  # limit of this download alone
    transferred: int = 0  # from the network, repeated bytes included
    elapsed_seconds: float = 0.0  # in attempts that have ended
    hops: tuple[Hop, ...] = ()  # of the latest request; empty if that was long ago
    transfer: TransferDetails | None = None  # while it runs
