"""`make audit`: are known vulnerabilities among the pinned dependencies?

Asks pip-audit, in an environment of its own, about `requirements/all.txt`. A vulnerability that a
newer version mends fails; one without a remedy is told. Where nobody can be asked (no network, or a
package index that knows of no vulnerabilities) it says so loudly and goes on: a check that did not
happen must not look like one that passed.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

TOOL = "pip-audit>=2.9,<3"

SOURCES = ("pypi", "osv")
"""Data bases that pip-audit can ask, the first one first."""

PATIENCE_S = 180

ACCEPTED: Mapping[str, str] = {}
"""Vulnerabilities that do not concern us: their id -> why."""

Report = dict[str, Any]


def ask(source: str) -> Report | None:
    """Return what pip-audit found, None where it found nobody to ask."""
    bin_dir = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            bin_dir / "uv", "tool", "run", "--quiet", "--python", sys.executable, "--from", TOOL,
            "pip-audit", "--requirement", ROOT / "requirements" / "all.txt", "--require-hashes",
            "--disable-pip", "--progress-spinner", "off", "--vulnerability-service", source,
            "--format", "json", "--output", report,
        ]  # fmt: skip
        try:
            subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE_S)
            found: Report = json.loads(report.read_bytes())
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None
        return found


def judge(report: Report, accepted: Mapping[str, str] = ACCEPTED) -> tuple[list[str], list[str]]:
    """Return the vulnerabilities that a newer version mends, and those that none does."""
    mended, open_ones = [], []
    for package in report["dependencies"]:
        for found in package.get("vulns", ()):
            if {found["id"], *found.get("aliases", ())} & set(accepted):
                continue
            line = f"{package['name']} {package['version']}: {found['id']}"
            if found["fix_versions"]:
                mended.append(f"{line}, mended in {', '.join(found['fix_versions'])}")
            else:
                open_ones.append(f"{line}, no version without it")
    return mended, open_ones


def unasked(report: Report) -> list[str]:
    """Return the packages of which the data base knew nothing."""
    return [package["name"] for package in report["dependencies"] if "skip_reason" in package]


def audit(
    ask: Callable[[str], Report | None] = ask,
    say: Callable[[str], object] = lambda line: sys.stderr.write(f"{line}\n"),
    sources: Sequence[str] = SOURCES,
) -> int:
    """Audit, tell, and return the exit code: 1 where a newer version mends something."""
    for source in sources:
        report = ask(source)
        if report is None:
            continue
        skipped, total = unasked(report), len(report["dependencies"])
        if len(skipped) == total:
            continue
        mended, open_ones = judge(report)
        for line in (*mended, *open_ones):
            say(f"VULNERABLE: {line}")
        if skipped:
            say(f"NOT AUDITED, unknown to {source}: {', '.join(skipped)}")
        say(
            f"Audit by {source}: {total - len(skipped)} of {total} packages, "
            f"{len(mended) + len(open_ones)} known vulnerabilities."
        )
        return 1 if mended else 0
    say("!" * 78)
    say("DEPENDENCIES NOT AUDITED: no data base of vulnerabilities can be reached from here.")
    say("Run `make audit` where there is a network before this goes out.")
    say("!" * 78)
    return 0


if __name__ == "__main__":
    raise SystemExit(audit())
