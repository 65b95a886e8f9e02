"""`python -m kerneldistill` is `kdistill`."""

from kerneldistill.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
