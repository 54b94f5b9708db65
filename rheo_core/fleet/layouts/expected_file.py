"""ExpectedFile: compare a stored file with the checksums in the manifest and the list."""

from collections.abc import Iterator
from io import BufferedReader
from typing import NamedTuple

from rheo_core.fleet.checksums import blocks_of, matches


class ExpectedFile(NamedTuple):
    """A file that a manifest names."""

    name: str
    size: int | None  # bytes
    media_type: str | None
    checksums: frozenset[str]  # from the manifest and the list; empty: do not compare the bytes

    def compared(self, file: BufferedReader, size: int, label: str) -> Iterator[str]:
        """Yield a sentence if the next `size` bytes of a file do not match the checksums.

        Args:
            file: positioned at the first byte.
            size: bytes.
            label: name of the file in the sentence.
        """
        try:
            if not matches(blocks_of(file, size), self.checksums):
                yield f"{label} does not match its checksum"
        except ValueError as error:
            yield f"{label} has an unknown checksum: {error}"
