"""The audit of dependencies: what it finds counts, and what it could not ask it says."""

from typing import Any

import pytest

from tests.audit import audit, judge

CLEAN = {"name": "numpy", "version": "2.0", "vulns": []}
MENDED = {"id": "GHSA-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"]}
OPEN = {"id": "GHSA-2", "aliases": [], "fix_versions": []}
UNKNOWN = {"name": "ours", "skip_reason": "not found"}


def report(*packages: dict[str, Any]) -> dict[str, Any]:
    return {"dependencies": list(packages)}


def vulnerable(*found: dict[str, Any]) -> dict[str, Any]:
    return {"name": "flask", "version": "1.0", "vulns": list(found)}


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ([report(CLEAN)], 0, ["1 of 1 packages, 0 known"]),
        ([report(CLEAN, vulnerable(MENDED))], 1, ["VULNERABLE: flask 1.0: GHSA-1", "2.1"]),
        ([report(CLEAN, vulnerable(OPEN))], 0, ["VULNERABLE: flask 1.0: GHSA-2", "no version"]),
        ([report(CLEAN, UNKNOWN)], 0, ["NOT AUDITED, unknown to first: ours", "1 of 2"]),
        ([None, report(CLEAN)], 0, ["Audit by second"]),
        ([report(UNKNOWN), report(vulnerable(MENDED))], 1, ["Audit by second", "GHSA-1"]),
        ([None, None], 0, ["DEPENDENCIES NOT AUDITED", "make audit"]),
        ([report(UNKNOWN), report(UNKNOWN)], 0, ["DEPENDENCIES NOT AUDITED"]),
    ],
)
def test_findings_count_and_silence_is_not_taken_for_safety(
    answers: list[Any], code: int, words: list[str]
):
    said: list[str] = []
    waiting = iter(answers)
    assert audit(lambda source: next(waiting), said.append, ("first", "second")) == code
    text = "\n".join(said)
    assert [word for word in words if word not in text] == []
    assert ("DEPENDENCIES NOT AUDITED" in text) == any("DEPENDENCIES" in word for word in words)


@pytest.mark.parametrize("name", ["GHSA-1", "CVE-1"])
def test_an_accepted_vulnerability_is_passed_over_by_any_of_its_names(name: str):
    assert judge(report(vulnerable(MENDED)), {name: "not reachable"}) == ([], [])
