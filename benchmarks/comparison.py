"""What a benchmark compared, as rows of a table with ratio, goal and verdict.

Knows seconds and shares of rounds; knows nothing of what took them.
"""

import json
import statistics
from dataclasses import dataclass, field


@dataclass
class Row:
    """One line of the report: what was compared, in seconds or shares per round."""

    name: str
    goal: float | None = None
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """Times that ours is faster; None where there is no peer."""
        pairs = zip(self.ours, self.peer, strict=False)
        return statistics.median(b / a for a, b in pairs) if self.peer else None

    @property
    def verdict(self) -> str:
        """Whether the goal was reached; nothing where there is none."""
        if self.goal is None:
            return ""
        ratio = self.ratio
        reached = statistics.median(self.ours) <= self.goal if ratio is None else ratio >= self.goal
        return "reached" if reached else "missed"

    def cells(self) -> list[str]:
        """Return name, ours, peer, ratio, goal and verdict as text."""
        ours, ratio = statistics.median(self.ours), self.ratio
        if ratio is None:
            goal = "" if self.goal is None else f"under {self.goal:.0%}"
            return [self.name, f"{ours:.1%}", "", "", goal, self.verdict]
        goal = "" if self.goal is None else f"{self.goal:.1f}x"
        peer = statistics.median(self.peer)
        return [self.name, f"{ours:.3f} s", f"{peer:.3f} s", f"{ratio:.2f}x", goal, self.verdict]


def report(rows: list[Row], *, as_json: bool) -> None:
    """Print one line for each row, or one JSON object."""
    if as_json:
        figures = {
            row.name: {
                "ours": statistics.median(row.ours), "ratio": row.ratio,
                "goal": row.goal, "verdict": row.verdict,
            }
            for row in rows
        }  # fmt: skip
        print(json.dumps(figures))
        return
    table = [["", "ours", "peer", "ratio", "goal", ""], *(row.cells() for row in rows)]
    for name, *cells in table:
        print(f"{name:56}" + "".join(f"{cell:>11}" for cell in cells))
