"""A checksum that is taken while the bytes come, as far as they come in order."""

import hashlib
import os
import threading

from rheo_core.domain.hash_validation import HashAlgorithm

_READ_BYTES = 1 << 20


class RunningHash:
    """Hashes the beginning of a file as it is written; what came out of order is read later.

    Only the disk threads call it, and those that write at different offsets do not meet: a write
    counts where it begins exactly at `position`.
    """

    def __init__(self, algorithm: HashAlgorithm) -> None:
        self.algorithm = algorithm
        self.restart()

    def restart(self) -> None:
        """Begin again at the start of the file."""
        self.position = 0  # bytes hashed
        self._digest = hashlib.new(self.algorithm.value, usedforsecurity=False)

    def feed(self, offset: int, data: bytes | memoryview) -> None:
        """Take note of bytes that are in the file now."""
        if offset == self.position:
            self._digest.update(data)
            self.position += len(data)

    def finish(self, descriptor: int, stop: threading.Event) -> str:
        """Read what was not fed, up to the end of the file; return the digest in hexadecimal.

        `stop` ends it early, with a digest of no meaning.

        Raises:
            OSError: the file cannot be read.
        """
        while not stop.is_set():
            data = os.pread(descriptor, _READ_BYTES, self.position)
            if not data:
                break
            self.feed(self.position, data)
        return self._digest.hexdigest()
