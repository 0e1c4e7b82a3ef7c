"""Segments as CSV, for spreadsheets."""

import csv
import io

from app.services.exports.content import Findings

COLUMNS = ("tag", "start_s", "end_s", "score", "source")


def to_csv(findings: Findings) -> str:
    """Return a table of segments, with a head.

    Source:
        RFC 4180.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in findings.segments:
        times = (f"{one.start_s:.3f}", f"{one.end_s:.3f}")
        writer.writerow((one.tag, *times, f"{one.score:.6f}", one.source))
    return table.getvalue()
