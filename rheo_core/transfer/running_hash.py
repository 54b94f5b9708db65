"""Update the checksum of a file while its bytes arrive in order."""

import hashlib
import os
import threading

from rheo_core.domain.hash_validation import HashAlgorithm

_READ_BYTES = 1 << 20


class RunningHash:
    """Hashes the beginning of a file while it is written, and reads the rest at the end.

    Only disk threads call it. Writes at different offsets do not collide, because a write counts
    only if it begins exactly at `position`.

    Args:
        is_read_back: ignore written bytes, and read the whole file at the end.
    """

    def __init__(self, *, is_read_back: bool = False) -> None:
        self._is_read_back = is_read_back
        self._algorithm: HashAlgorithm | None = None  # None: not known yet
        self.restart()

    def use(self, algorithm: HashAlgorithm, *, instead: bool = True) -> None:
        """Hash the following bytes; without `instead`, keep an algorithm that is in use."""
        if self._is_read_back:
            return
        if self._algorithm is None or (instead and self._algorithm is not algorithm):
            self._algorithm = algorithm
            self.restart()

    def restart(self) -> None:
        """Start again at the beginning of the file, because written bytes have changed."""
        self.position = 0  # number of hashed bytes
        self._digest = None
        if self._algorithm is not None:
            self._digest = hashlib.new(self._algorithm.value, usedforsecurity=False)

    def feed(self, offset: int, data: bytes | memoryview) -> None:
        """Hash bytes that are now in the file, if they continue the hashed ones."""
        if self._digest is not None and offset == self.position:
            self._digest.update(data)
            self.position += len(data)

    def finish(self, algorithm: HashAlgorithm, descriptor: int, stop: threading.Event) -> str:
        """Read the rest of the file; return its digest in hexadecimal.

        `stop` ends the reading early. The digest is then meaningless.

        Raises:
            OSError: the file cannot be read.
        """
        if self._is_read_back:
            return RunningHash().finish(algorithm, descriptor, stop)
        self.use(algorithm)
        assert self._digest is not None
        while not stop.is_set():
            data = os.pread(descriptor, _READ_BYTES, self.position)
            if not data:
                break
            self.feed(self.position, data)
        return self._digest.hexdigest()
