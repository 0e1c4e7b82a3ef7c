"""`python -m training` is `reeltag-train`."""

from training.cli import main

if __name__ == "__main__":
    main()
