"""`make bench`: every benchmark in turn, each measuring its peer beside us in the same run."""

import subprocess
import sys

BENCHMARKS = ("inference", "retag", "segmentation", "transfer", "training")


def main() -> int:
    """Run them one after the other; the first failure ends it."""
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        code = subprocess.call([sys.executable, "-m", f"benchmarks.{name}"])
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
