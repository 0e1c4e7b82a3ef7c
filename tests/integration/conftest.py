"""Says loudly at the end of a run what a machine could not test."""

import pytest

NOT_TESTED = "TUS NOT TESTED"


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = {str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)}
    for reason in sorted(reason for reason in reasons if NOT_TESTED in reason):
        terminalreporter.section("LOOK HERE", red=True, bold=True)
        terminalreporter.line(reason, red=True, bold=True)
