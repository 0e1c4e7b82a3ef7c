"""Pieces of HTML: tables, sections, figures. Whatever comes from outside is escaped here.

Knows no figure and no picture.
"""

from collections.abc import Sequence
from html import escape

Cell = str | int | float | None


def shown(value: Cell) -> str:
    """Write one value: three decimals for a fraction, a dash for what does not exist."""
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))


def table(titles: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a table; the first column names the row, numbers stand to the right."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    lines = []
    for name, *values in rows:
        cells = "".join(
            f"<td>{shown(value)}</td>"
            if isinstance(value, str)
            else f'<td class="number">{shown(value)}</td>'
            for value in values
        )
        lines.append(f'<tr><th scope="row">{shown(name)}</th>{cells}</tr>')
    body = "\n".join(lines)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def paragraph(text: str) -> str:
    """Return a paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def section(place: str, title: str, *parts: str) -> str:
    """Return a section.

    Args:
        place: What links name it by.
        title: Plain text.
        parts: HTML.
    """
    inner = "\n".join(parts)
    return f'<section id="{escape(place)}">\n<h2>{escape(title)}</h2>\n{inner}\n</section>'


def plot(svg: str, says: str) -> str:
    """Return an inline SVG with its caption, which is also what a screen reader says."""
    return (
        f'<figure class="plot"><div role="img" aria-label="{escape(says)}">{svg}</div>'
        f"<figcaption>{escape(says)}</figcaption></figure>"
    )


def matrix(counts: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """Return a table of own tags (rows) and best tags (columns), shaded by the row's share."""
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    lines = []
    for own, (name, row) in enumerate(zip(names, counts, strict=True)):
        total = max(sum(row), 1)
        cells = "".join(
            _shaded(count, count / total, name, other, is_own=own == place)
            for place, (count, other) in enumerate(zip(row, names, strict=True))
        )
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    body = "\n".join(lines)
    return (
        f'<div class="wide"><table class="matrix"><thead><tr><td></td>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _shaded(count: int, share: float, own: str, best: str, *, is_own: bool) -> str:
    if not count:
        return "<td></td>"
    says = f"{own} found: {count}" if is_own else f"{own} taken for {best}: {count}"
    colour = "40, 130, 80" if is_own else "200, 60, 50"
    return (
        f'<td style="background:rgba({colour},{0.1 + 0.8 * share:.2f})" '
        f'title="{escape(says)}">{count}</td>'
    )
