"""What the state file holds, and how."""

import hashlib
import os
import stat
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from rheo_core.domain.hash_validation import HashConfig
from rheo_core.infrastructure.shortage import shortage_of_files

from .plan import Validator
from .segments import WrittenRange

_VERSION = b"rheo part state 4"
_LARGEST_STATE = 1 << 20


@dataclass(frozen=True, slots=True)
class PartState:
    """What is known of a part file. Its bytes were on the disk before it was written."""

    source: str = ""  # which download the bytes are of; see `source_of`
    total: int | None = None
    validator: Validator = field(default_factory=Validator)
    written: tuple[WrittenRange, ...] = ()
    promised: HashConfig | None = None  # checksum of the whole file, as the server gives it
    modified: int | None = None  # Last-Modified, seconds since the epoch
    is_rejected: bool = False  # whole, and not as promised, but for what `written` tells of
    media_type: str | None = None  # of the file, from the reply that began it

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    @property
    def offset(self) -> int:
        """Bytes that are there."""
        return sum(there.end - there.start for there in self.written)

    @property
    def can_resume(self) -> bool:
        """Whether a later request may go on: only a strong validator tells versions apart."""
        return bool(self.written) and (
            self.validator.if_range is not None or self.offset == self.total
        )


_JSON = TypeAdapter(PartState)


def source_of(url: str) -> str:
    """Tells downloads apart: a validator means nothing across URLs (RFC 9110 8.8.1)."""
    return hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()[:32]


def encode_state(state: PartState) -> bytes:
    """The content of a state file: a line each for version, checksum and state (JSON)."""
    body = _JSON.dump_json(state)
    return b"\n".join((_VERSION, hashlib.sha256(body).hexdigest().encode(), body))


def decode_state(data: bytes) -> PartState:
    """Read a state file.

    Raises:
        ValueError: for what `encode_state` did not write.
    """
    version, _, rest = data.partition(b"\n")
    checksum, _, body = rest.partition(b"\n")
    if version != _VERSION:
        raise ValueError("the state is of another version")
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        raise ValueError("the state's checksum is wrong")
    state = _JSON.validate_json(body)  # its ValidationError is a ValueError
    _check_ranges(state)
    return state


def read_state(path: Path) -> PartState | None:
    """The state at `path`; None where there is none that `encode_state` wrote."""
    try:
        return decode_state(state_bytes(path) or b"")
    except ValueError:
        return None


def state_bytes(path: Path) -> bytes | None:
    """What the state file holds; None where there is no regular file that can be read.

    Raises:
        ShortageError: it cannot be opened now; taken for missing, it would cost what it tells of.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return file.read(_LARGEST_STATE) if is_regular else None
    except OSError as error:
        if (shortage := shortage_of_files(error)) is not None:
            raise shortage from error
        return None


def _check_ranges(state: PartState) -> None:
    size = float("inf") if state.total is None else state.total
    for there in state.written:
        if not 0 <= there.start < there.end <= size:
            raise ValueError("the state has an impossible range")
    if any(before.end > after.start for before, after in pairwise(state.written)):
        raise ValueError("the state's ranges overlap")
