"""File validators: calculate the checksums of finished files in a thread."""

import hashlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rheo_core.domain.exceptions import FileAccessError
from rheo_core.domain.hash_validation import HashConfig, ValidationResult
from rheo_core.domain.text import system_reason
from rheo_core.infrastructure.disk import DiskThreads


class BaseFileValidator(ABC):
    """Interface of validators, which compare a file with its expected checksum."""

    @abstractmethod
    async def validate(self, file_path: Path, config: HashConfig) -> ValidationResult:
        """Hash the file and compare the result with the expected checksum.

        Raises:
            FileAccessError: the file cannot be read.
        """


class FileValidator(BaseFileValidator):
    """Validator that reads the file in a disk thread. A cancellation stops it at once."""

    def __init__(self, *, chunk_size: int = 1 << 20, disk: DiskThreads | None = None) -> None:
        self._chunk_size = chunk_size
        self._disk = disk or DiskThreads(1)

    async def validate(self, file_path: Path, config: HashConfig) -> ValidationResult:
        work = partial(self._hash, file_path, config.algorithm.value)
        return await compare(file_path, config, work, self._disk)

    def _hash(self, path: Path, algorithm: str, stop: threading.Event) -> str:
        digest = hashlib.new(algorithm, usedforsecurity=False)
        buffer = memoryview(bytearray(self._chunk_size))
        with path.open("rb", buffering=0) as file:
            while (count := file.readinto(buffer)) and not stop.is_set():
                digest.update(buffer[:count])
        return digest.hexdigest()


async def compare(
    file_path: Path,
    config: HashConfig,
    calculate: Callable[[threading.Event], str],
    disk: DiskThreads,
) -> ValidationResult:
    """Calculate a checksum in a thread of `disk` and compare it with the expected one.

    Args:
        file_path: the file, for the message.
        config: the expected checksum.
        calculate: returns the checksum in hexadecimal; stops early when its event is set.
        disk: the threads.

    Raises:
        FileAccessError: the file cannot be read.
    """
    started = time.perf_counter()
    try:
        calculated = await disk.run_stoppable(calculate)
    except OSError as error:
        problem = system_reason(error)
        raise FileAccessError(f"cannot read {file_path} to check it: {problem}") from error
    return ValidationResult(
        algorithm=config.algorithm,
        expected_hash=config.expected_hash,
        calculated_hash=calculated,
        duration_ms=(time.perf_counter() - started) * 1000,
    )


class NullFileValidator(BaseFileValidator):
    """Validator that accepts every file."""

    async def validate(self, file_path: Path, config: HashConfig) -> ValidationResult:
        return ValidationResult(
            algorithm=config.algorithm,
            expected_hash=config.expected_hash,
            calculated_hash=config.expected_hash,
        )
