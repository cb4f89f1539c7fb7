"""The table: one line for each budget, in Markdown, so that it can be kept as it was printed."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

NOT_MEASURED = "not measured here"
"""The system does not tell (processor time and memory of other processes: Linux only)."""


@dataclass(frozen=True)
class Effort:
    """How long to look: so many alternating rounds, so many seconds each where there is a rate to measure."""

    rounds: int
    seconds: float


@dataclass(frozen=True)
class Line:
    """One budget and what was measured for it."""

    what: str
    ours: str
    beside: str = ""
    ratio: float | None = None
    budget: str = ""
    met: bool | None = None
    """None: nothing to judge, or not measured."""

    def cells(self) -> list[str]:
        verdict = {True: "met", False: "**missed**", None: ""}[self.met]
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return [self.what, self.ours, self.beside, ratio, self.budget, verdict]


HEADINGS = ["what", "ours", "beside it", "ratio", "budget", ""]


def unmeasured(what: str, budget: str) -> Line:
    return Line(what, NOT_MEASURED, budget=budget)


def ratio_of_medians(ours: Sequence[float], beside: Sequence[float]) -> float:
    return median(ours) / median(beside)


def rate(rates: Sequence[float]) -> str:
    return f"{median(rates):,.0f}/s"


def milliseconds(values: Sequence[float]) -> str:
    value = median(values)
    return f"{value:.2f} ms" if value < 10 else f"{value:,.0f} ms"


def written(lines: Sequence[Line]) -> str:
    """The whole table."""
    rows = [HEADINGS, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)
