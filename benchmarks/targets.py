"""Targets of this project, and checks that they are reached."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .results import Outcome
from .works import MIB

HEAD = ["target", "limit", "command", "engine, own clock", "met"]
_COMMAND, _ENGINE, _APP = "rheo", "rheo engine", "rheo app"


@dataclass(frozen=True, slots=True)
class _Ratio:
    """A limit for one measure of one work, as a share of a peer's."""

    work: str
    measure: str
    peer: str
    limit: float
    by_engine: bool = False  # the engine's own clock decides, without the start of Python

    def row(self, outcome: Outcome) -> list[str]:
        command = outcome.ratio(_COMMAND, self.measure, self.peer)
        engine = outcome.ratio(_ENGINE, "inner", self.peer) if self.measure == "wall" else None
        decides = engine if self.by_engine else command
        what = f"{outcome.work.title}: {self.measure} against {self.peer}"
        return [what, f"{self.limit:.2f}", _cell(command), _cell(engine), _met(decides, self.limit)]


_RATIOS = [
    _Ratio("http", "wall", "curl", 0.75),
    _Ratio("http", "cpu", "curl", 0.85),
    _Ratio("https", "wall", "curl", 1.1),
    _Ratio("large", "wall", "curl", 1.0),
    _Ratio("small", "wall", "aria2", 1.0, by_engine=True),
    _Ratio("tiny", "wall", "aria2", 1.0),
    _Ratio("limited", "wall", "aria2", 1.05),
    _Ratio("list-100k", "peak", "aria2", 0.15),
]
_MAX_MEMORY = {_COMMAND: 120, _APP: 160}  # MB


def verdicts(outcomes: Iterable[Outcome]) -> Iterator[list[str]]:
    """A row for each target that the outcomes say something of."""
    by_name = {outcome.work.name: outcome for outcome in outcomes}
    for ratio in _RATIOS:
        if ratio.work in by_name:
            yield ratio.row(by_name[ratio.work])
    for peer, limit in _MAX_MEMORY.items():
        # A list of a million has a target of its own kind: its entries are the memory.
        peaks = [
            outcome.middle(peer, "peak") or 0
            for outcome in by_name.values()
            if not outcome.work.listed
        ]
        peak = max(peaks, default=0) / MIB
        if peak:
            yield [f"{peer}: peak memory, MiB", str(limit), _cell(peak), "", _met(peak, limit)]


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _met(value: float | None, limit: float) -> str:
    if value is None:
        return "not measured"
    return "yes" if value <= limit else "no"
