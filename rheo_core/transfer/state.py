"""What the state file holds, and how."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

from .plan import Validator
from .segments import WrittenRange

_VERSION = 2


@dataclass(frozen=True, slots=True)
class PartState:
    """What is known of a part file. Its bytes were on the disk before it was written."""

    total: int | None = None
    validator: Validator = field(default_factory=Validator)
    written: tuple[WrittenRange, ...] = ()

    @property
    def offset(self) -> int:
        """Bytes that are there."""
        return sum(piece.end - piece.start for piece in self.written)

    @property
    def can_resume(self) -> bool:
        """Whether a later request may go on: only a strong validator tells versions apart."""
        return bool(self.written) and (
            self.validator.if_range is not None or self.offset == self.total
        )


def encode_state(state: PartState) -> bytes:
    """The content of a state file: versioned and checksummed."""
    body = json.dumps(asdict(state), separators=(",", ":"))
    checksum = hashlib.sha256(body.encode()).hexdigest()
    return json.dumps({"version": _VERSION, "sha256": checksum, "state": body}).encode()


def decode_state(data: bytes) -> PartState:
    """Read a state file.

    Raises:
        ValueError, KeyError, TypeError: for what `encode_state` did not write.
    """
    envelope = json.loads(data)
    body = envelope["state"]
    if envelope["version"] != _VERSION:
        raise ValueError(f"state version {envelope['version']} is not {_VERSION}")
    if hashlib.sha256(body.encode()).hexdigest() != envelope["sha256"]:
        raise ValueError("the state's checksum is wrong")
    values = json.loads(body)
    return PartState(
        values["total"],
        Validator(**values["validator"]),
        tuple(WrittenRange(**piece) for piece in values["written"]),
    )
