"""Pin what the project installs: `python -m scripts.lock` writes requirements.lock and constraints.txt anew.

requirements.lock is uv's resolution of pyproject.toml for every supported Python and platform, with hashes, for
`pip install --require-hashes -r`. constraints.txt has the same pins for `pip install -c`, which takes no hashes beside
an editable project. Writing them needs uv (`pip install uv`); `--check`, which only compares the two, does not.

    python -m scripts.lock            keep the pins that still fit pyproject.toml
    python -m scripts.lock --upgrade  take the newest of everything
    python -m scripts.lock --check    exit with 1 if constraints.txt is not of requirements.lock
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
CONSTRAINTS = ROOT / "constraints.txt"

# Extras that are pinned. Compilers of chips that are not there stay out: jax names their versions itself, and who
# installs the lock wants none of them.
EXTRAS = ("test", "tensorboard", "tf")
# The oldest supported Python: a universal resolution from there holds for the newer ones.
PYTHON = "3.11"


def constraints(lock: str) -> str:
    """The pins of a lock file, one a line, with their markers and without hashes or comments."""
    lines = (line.split(" #")[0].removesuffix("\\").rstrip() for line in lock.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.lstrip().startswith(("#", "--")))


def resolve(uv: str, arguments: Sequence[str]) -> int:
    """Write requirements.lock with uv; pins already in it are kept where they fit.

    Returns uv's exit status; it says itself why it found no resolution.
    """
    command = [uv, "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes", "--quiet"]
    command += [f"--extra={name}" for name in EXTRAS]
    unnamed = ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    place = ["--python-version", PYTHON, "--output-file", LOCK.name]
    return subprocess.run([*command, *unnamed, *place, *arguments], cwd=ROOT, check=False).returncode


def main(arguments: Sequence[str]) -> int:
    """Run the program; its exit status."""
    if list(arguments) == ["--check"]:
        if CONSTRAINTS.read_text() == constraints(LOCK.read_text()):
            return 0
        print("constraints.txt is not of requirements.lock: run python -m scripts.lock", file=sys.stderr)
        return 1
    uv = shutil.which("uv") or shutil.which("uv", path=Path(sys.executable).parent)
    if uv is None:
        print("uv is not installed, and only uv resolves for every platform at once: pip install uv", file=sys.stderr)
        return 1
    status = resolve(uv, arguments)
    if status == 0:
        CONSTRAINTS.write_text(constraints(LOCK.read_text()))
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
