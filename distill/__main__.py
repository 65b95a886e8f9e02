"""`python -m distill` is `kdistill`."""

from distill.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
