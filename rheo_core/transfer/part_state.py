"""State of a part file: the content, signature and format of `NAME.part.state`.

The user's key signs the state together with the name of its part file (HMAC-SHA256, RFC 2104).
rheo ignores a state that a server or another user made, or that belongs to another part file.
"""

import hmac
import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import to_json

from rheo_core.domain.hash_validation import HashConfig
from rheo_core.infrastructure.files import is_private, write_atomically
from rheo_core.infrastructure.identity import Identity, identity_at, identity_of
from rheo_core.infrastructure.shortage_errors import shortage_of_files

from .response_head import ResponseHead
from .segments import WrittenRange
from .validators import NO_VALIDATOR, Validator

STATE_MARK = b"rheo part state "
"""The beginning of the state files of every version."""
_VERSION = STATE_MARK + b"5"
_MAX_STATE_BYTES = 1 << 20

Key = Callable[[], bytes]
"""Return the key that signs states; called when a state is read or written."""


class PartState(NamedTuple):
    """Known facts about a part file. Its bytes are on the disk before its state is.

    A tuple, because each download creates two, and a frozen dataclass takes five times as long.
    """

    source: str = ""  # the download; see `source_of`
    total: int | None = None
    validator: Validator = NO_VALIDATOR
    written: tuple[WrittenRange, ...] = ()
    promised: HashConfig | None = None  # checksum of the whole file from the server
    modified: int | None = None  # Last-Modified, seconds since the epoch
    is_rejected: bool = False  # complete but not as promised, except `written`
    media_type: str | None = None  # of the first response, such as text/html, in lower case
    link: str = ""  # of the download, with its signature; see `exact_source_of`
    fetched: str | None = None  # link that the bytes came from; None: `link`
    moved: str | None = None  # the other name during a move; see `text_of` and `part_move.py`

    def with_written(self, written: tuple[WrittenRange, ...]) -> "PartState":
        """Return this state with other written ranges, and only one name."""
        return self._replace(written=written, moved=None)

    def with_promise(self, promised: HashConfig | None, validator: Validator) -> "PartState":
        """Return this state with the checksum of the whole file from a 206, if it has none yet.

        Args:
            promised: the checksum, if the response has one (RFC 9530 3.1: not that of its range).
            validator: validator of the response. A 206 of another version is ignored.
        """
        if promised is None or self.promised is not None:
            return self
        is_same = self.validator.if_range is not None and self.validator.may_be(validator)
        return self._replace(promised=promised) if is_same else self

    @property
    def offset(self) -> int:
        """Number of written bytes."""
        size = 0
        for each in self.written:  # faster than `sum` for the usual one or none
            size += each.end - each.start
        return size

    @property
    def is_whole(self) -> bool:
        """True if all bytes are written."""
        return self.total is not None and self.offset == self.total

    def is_beginning_of(self, head: ResponseHead) -> bool:
        """Return True if the written bytes are the beginning of the file that a response offers."""
        return (
            self.offset > 0
            and self.validator.if_range is not None
            and self.validator.if_range == head.validator.if_range
            and self.total == head.total
        )

    @property
    def can_resume(self) -> bool:
        """True if a later request may continue: only a strong validator tells versions apart."""
        return bool(self.written) and (
            self.validator.if_range is not None or self.offset == self.total
        )


@cache
def _schema() -> TypeAdapter[PartState]:
    # Built when a state is read, because building it takes 2 ms.
    return TypeAdapter(PartState, config=ConfigDict(strict=True))


def encode_state(state: PartState, part_name: str, key: bytes) -> bytes:
    """Return the content of a state file: lines with version, signature and state (JSON).

    Unknown facts are left out, so that an earlier version can read the state as long as no fact
    is in it that only this version knows.
    """
    body = to_json({name: fact for name, fact in state._asdict().items() if fact is not None})
    return b"\n".join((_VERSION, _signature(body, part_name, key), body))


def decode_state(data: bytes, part_name: str, key: bytes) -> PartState:
    """Read a state file.

    Raises:
        ValueError: `encode_state` did not write it with this key for a part file of this name.
    """
    version, signature, body = _lines(data)
    if version != _VERSION:
        raise ValueError("the state comes from another version")
    if not hmac.compare_digest(signature, _signature(body, part_name, key)):
        raise ValueError("the state's signature is wrong")
    state = _schema().validate_json(body)  # its ValidationError is a ValueError
    _check_ranges(state)
    return state


def text_of(path: Path) -> str:
    """Return an absolute path as text for a state; a name need not be UTF-8."""
    return os.fsencode(path.absolute()).decode("latin-1")


def path_of(text: str) -> Path:
    """Return the path of a text that `text_of` made."""
    return Path(os.fsdecode(text.encode("latin-1")))


def _signature(body: bytes, part_name: str, key: bytes) -> bytes:
    text = b"\n".join((_VERSION, os.fsencode(part_name), body))
    return hmac.digest(key, text, "sha256").hex().encode()


def _lines(data: bytes) -> tuple[bytes, bytes, bytes]:
    version, _, rest = data.partition(b"\n")
    signature, _, body = rest.partition(b"\n")
    return version, signature, body


class StateFile(NamedTuple):
    """A file with the name of a state.

    Attributes:
        identity: identity of the file.
        state: its state if this program wrote it, else None.
        is_private: it is a regular file of this user with one name that only the user can read,
            like the ones that this program creates.
        data: its content; empty if it cannot be read.
    """

    identity: Identity
    state: PartState | None
    is_private: bool
    data: bytes

    @property
    def is_blank(self) -> bool:
        """True if it looks like a state that was not synced before a power loss."""
        return self.is_private and not self.data.strip(b"\0")

    @property
    def is_marked(self) -> bool:
        """True if it looks like a state of this program with another version or key, or damage."""
        return self.is_private and self.data.startswith(STATE_MARK)

    @property
    def claimed_source(self) -> str | None:
        """Source that the state names, signed or not."""
        if self.state is not None:
            return self.state.source
        with suppress(ValueError, RecursionError):
            body = json.loads(_lines(self.data)[2])
            if isinstance(body, dict) and isinstance(body.get("source"), str):
                return str(body["source"])
        return None


def find_state(path: Path, part_name: str, key: Key) -> StateFile | None:
    """Read the file with the name of a state; None if there is none.

    Raises:
        ShortageError: it cannot be opened now. Treating it as missing would lose its bytes.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        if (shortage := shortage_of_files(error)) is not None:
            raise shortage from error
        with suppress(OSError):
            identity = identity_at(path)
            return identity and StateFile(identity, None, False, b"")
        return None
    try:
        status, state = os.fstat(descriptor), None
        data = _read(descriptor) if stat.S_ISREG(status.st_mode) else b""
    finally:
        os.close(descriptor)
    if data.startswith(_VERSION):
        with suppress(ValueError):
            state = decode_state(data, part_name, key())
    return StateFile(identity_of(status), state, is_private(status), data)


def write_state(
    path: Path, state: PartState, part_name: str, key: Key, *, durable: bool
) -> os.stat_result:
    """Write or replace a state file atomically; return its status. See `write_atomically`."""
    data = encode_state(state, part_name, key())
    return write_atomically(path, data, durable=durable, mark=STATE_MARK)


def _read(descriptor: int) -> bytes:
    data = b""
    with suppress(OSError):
        while len(data) < _MAX_STATE_BYTES and (more := os.read(descriptor, _MAX_STATE_BYTES)):
            data += more
    return data


def _check_ranges(state: PartState) -> None:
    size = float("inf") if state.total is None else state.total
    for written_range in state.written:
        if not 0 <= written_range.start < written_range.end <= size:
            raise ValueError("the state has an impossible range")
    if any(before.end > after.start for before, after in pairwise(state.written)):
        raise ValueError("the state's ranges overlap")
