"""The circumstances of a run: what the numbers hold for."""

import compileall
import os
import platform
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from .server import PROGRAM


@dataclass(slots=True)
class Circumstances:
    """Facts about the machine and the run."""

    folder: str
    scale: float
    rounds: int
    peers: dict[str, str]  # versions by name
    missing: list[str]
    began: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    load: list[float] = field(default_factory=lambda: list(os.getloadavg()))
    system: str = field(default_factory=platform.platform)
    processor: str = field(default_factory=lambda: _processor())
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    python: str = field(default_factory=platform.python_version)
    nginx: str = field(default_factory=lambda: _nginx())

    def text(self) -> str:
        """A list in Markdown."""
        lines = [
            f"{self.began} UTC, {self.rounds} rounds, scale {self.scale:g}",
            f"{self.processor}, {self.cores} cores, {self.system}",
            f"load when it began: {', '.join(f'{load:.1f}' for load in self.load)}",
            f"files on {_file_system(Path(self.folder))}; {self.nginx}; Python {self.python}",
            "clients: " + ", ".join(sorted(set(self.peers.values()))),
        ]
        if self.missing:
            lines.append(f"not on this machine: {', '.join(self.missing)}")
        return "\n".join(f"- {line}" for line in lines)


def compile_packages() -> None:
    """See to it that no start of ours compiles Python, as an installation by pip does."""
    for package in ("rheo_core", "rheo_tui"):
        compileall.compile_dir(Path(__file__).parent.parent / package, quiet=1)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _nginx() -> str:
    said = subprocess.run([str(PROGRAM), "-v"], capture_output=True, text=True).stderr
    return said.rpartition(" ")[2].strip()


def _file_system(folder: Path) -> str:
    """The kind of the one that holds the folder."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    kinds = {Path(point): kind for _, point, kind, *_ in mounts}
    while folder not in kinds:
        folder = folder.parent
    return kinds[folder]
