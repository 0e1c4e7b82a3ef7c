"""A rule that is not checked is a wish: pages are compared with the code they speak of."""

import re
from pathlib import Path

from app.config import Settings

ROOT = Path(__file__).parents[2]


def setting_rows() -> list[str]:
    """The table of `docs/settings.md`, made from the fields."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        if name == "data_dir":
            shown = "`~/.local/share/reeltag`"
        elif name == "model_path":
            shown = "`models/starter`"
        else:
            shown = f"`{default}`" if default not in ("", None) else "empty"
        rows.append(f"| `REELTAG_{name.upper()}` | {shown} | {field.description} |")
    return rows


def test_the_settings_page_lists_every_setting_with_its_default_and_description():
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `REELTAG_")]
    assert rows == setting_rows()


def test_every_decision_is_listed_and_every_listed_one_is_there():
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\(([^)]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))
    assert listed == {page.name for page in folder.glob("[0-9]*.md")}


def test_committed_pages_have_no_broken_links_between_them():
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
