"""Segments of films with known content, as a function of `top_k` and the gap; ours and a peer's.

    python -m benchmarks.segmentation --data DIR [--manifest FILE] --split validation
    python -m benchmarks.segmentation --data DIR --split test --docs docs

Choose defaults on the validation split, report on the test split. Without ``--data`` nothing is
measured: the pictures are not part of the project. ``--docs`` rewrites the split's tables in
`segmentation.md` there and, for the test split, the plot.
"""

import argparse
import re
import sys
from pathlib import Path

from app.domain.segments import DEFAULT_MAX_GAP_S
from benchmarks.segmentation import report
from benchmarks.segmentation.films import plan_films
from benchmarks.segmentation.measure import GAPS_S, count_all, watch
from models.artifact import STARTER_DIR, load_artifact
from training.dataset import SPLITS, read_collection

PAGE = "segmentation.md"
PLOT = Path("images") / "segmentation.png"


def main(arguments: list[str]) -> int:
    """Measure, print, and write the docs where asked; 0 also where there is nothing to measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segmentation")
    parser.add_argument("--data", type=Path, help="folder of labelled pictures, as for training")
    parser.add_argument("--manifest", type=Path, help="default: manifest.csv in the folder")
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--artifact", type=Path, default=STARTER_DIR, help="default: the starter")
    parser.add_argument("--films", type=int, default=16)
    parser.add_argument("--seconds", type=float, nargs=2, default=(60.0, 120.0), metavar="S",
                        help="shortest and longest film")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--docs", type=Path, help="folder whose page and plot are rewritten")
    chosen = parser.parse_args(arguments)
    if chosen.data is None:
        print("skipped: needs labelled pictures, --data DIR [--manifest FILE] --split test")
        return 0
    collection = read_collection(chosen.data, chosen.manifest, to_train=False)
    tags = load_artifact(chosen.artifact).manifest.tags
    plans = plan_films(
        collection.of(chosen.split), tags, chosen.films, tuple(chosen.seconds), chosen.seed
    )
    watched, manifest = watch(plans, chosen.artifact)
    results = count_all(watched, manifest)
    said = report.summary(watched, chosen.split, manifest.version)
    text = f"{said}\n\n{tables(results, manifest.tags)}"
    print(text)
    if chosen.docs is not None:
        rewrite(chosen.docs / PAGE, chosen.split, text)
        if chosen.split == "test":
            report.draw_plot(chosen.docs / PLOT, results, said)
    return 0


def tables(results: report.Results, tags: tuple[str, ...]) -> str:
    """Return all tables under their titles."""
    parts = {
        "Every segment": report.segments_table(results, film_tags_only=False, gaps=GAPS_S),
        "Segments of film tags only": report.segments_table(
            results, film_tags_only=True, gaps=(DEFAULT_MAX_GAP_S,)
        ),
        "Film tags": report.film_table(results),
        "What other options gain over the defaults": report.gain_table(results),
        "Each tag, with the defaults": report.tag_table(results, tags),
    }
    return "\n\n".join(f"#### {title}\n\n{text}" for title, text in parts.items())


def rewrite(page: Path, split: str, text: str) -> None:
    """Replace what stands between the page's marks for the split.

    Raises:
        ValueError: The page has no such marks; it is left as it was.
    """
    begin, end = f"<!-- {split}: begin -->", f"<!-- {split}: end -->"
    old = page.read_text(encoding="utf-8")
    new, count = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}",
        lambda _: f"{begin}\n{text}\n{end}",
        old,
        flags=re.DOTALL,
    )
    if not count:
        raise ValueError(f"{page} has no marks for the {split} split")
    page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
