"""Results: medians, ratios to curl, tables for the screen and for a file."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .machine import Circumstances
from .measure import Run
from .peers import BASIS
from .works import MIB, Work

_HEAD = [
    "",
    "wall, s",
    "of curl's",
    "CPU, s",
    "of curl's",
    "peak, MiB",
    "of curl's",
    "own clock, s",
]


@dataclass(slots=True)
class Outcome:
    """All runs of one work, by peer."""

    work: Work
    runs: dict[str, list[Run]] = field(default_factory=dict)

    def problem(self, peer: str) -> str:
        """The first one of this peer, "" for none."""
        return next((run.problem for run in self.runs.get(peer, []) if run.problem), "")

    def middle(self, peer: str, measure: str) -> float | None:
        """The median over the rounds; None where the peer failed or has no such measure."""
        if peer not in self.runs or self.problem(peer):
            return None
        values = [getattr(run, measure) for run in self.runs[peer]]
        return None if None in values else median(values)

    def ratio(self, peer: str, measure: str, basis: str = BASIS) -> float | None:
        """Of the medians of two peers. The engine's own clock is compared with a wall clock."""
        value = self.middle(peer, measure)
        other = self.middle(basis, "wall" if measure == "inner" else measure)
        return value / other if value is not None and other else None

    def rows(self) -> Iterator[list[str]]:
        """Cells of a table, one row a peer."""
        for peer in self.runs:
            problem = self.problem(peer)
            if problem:
                yield [peer, f"failed: {problem}", *[""] * (len(_HEAD) - 2)]
                continue
            cells = [peer]
            for measure, unit in (("wall", 1), ("cpu", 1), ("peak", MIB)):
                value = self.middle(peer, measure)
                cells += [_number(value, unit), _number(self.ratio(peer, measure))]
            yield [*cells, _number(self.middle(peer, "inner"))]


def _number(value: float | None, unit: float = 1) -> str:
    if value is None:
        return ""
    value /= unit
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def show(outcome: Outcome, console: Console) -> None:
    """A table on the screen."""
    show_table(outcome.work.title, _HEAD, outcome.rows(), console)


def show_table(title: str, head: list[str], rows: Iterator[list[str]], console: Console) -> None:
    """Rows of cells, the first column to the left, numbers to the right."""
    table = Table(*head, title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def markdown_table(head: list[str], rows: Iterator[list[str]]) -> str:
    """The same as Markdown."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def store(
    outcomes: list[Outcome], circumstances: Circumstances, verdicts: str, folder: Path
) -> Path:
    """Write NAME.json (every run) and NAME.md (the tables); gives the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{circumstances.began.replace(':', '')}.md"
    everything = {
        "circumstances": asdict(circumstances),
        "works": [asdict(outcome) for outcome in outcomes],
    }
    file.with_suffix(".json").write_text(json.dumps(everything, indent=1))
    parts = [circumstances.text()]
    parts += [
        f"## {outcome.work.title}\n\n{markdown_table(_HEAD, outcome.rows())}"
        for outcome in outcomes
    ]
    parts.append(f"## Targets\n\n{verdicts}")
    file.write_text("\n\n".join(parts) + "\n")
    return file
