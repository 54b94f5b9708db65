"""Fuzz the wire against the strict model: `make fuzz`. It ends at the first difference.

atheris (libFuzzer) follows the branches that a response takes, where hypothesis draws from a list.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["rheo_core.infrastructure.http.wire", "tests.wire.model", "tests.wire.feeding"]
):
    from tests.wire.test_model import (
        CHUNKS,
        LINES,
        leniently,
        read,
        strictly,
        valid_responses,
    )

_MAX_CUTS = 6


def compare(data: bytes) -> None:
    """Compare one response; the first byte tells how many of the next ones are its cuts."""
    count = min(data[0] % (_MAX_CUTS + 1), len(data) - 1) if data else 0
    cuts, response = list(data[1 : 1 + count]), data[1 + count :]
    taken, expected = read(response, cuts), strictly(response)
    if expected is not None:
        assert taken == expected, (response, cuts)
    elif taken is not None:
        assert taken == leniently(response), (response, cuts)


def main() -> None:
    """Run until the time of `-max_total_time` is over; other arguments are libFuzzer's, too."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder)
        for number, (response, _) in enumerate(valid_responses()):
            (seeds / str(number)).write_bytes(b"\0" + response)
        words = seeds.with_suffix(".dict")
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in (*LINES, *CHUNKS) if word))
        try:
            atheris.Setup([*sys.argv, f"-dict={words}", str(seeds)], compare)
            atheris.Fuzz()
        finally:
            words.unlink()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
