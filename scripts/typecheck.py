"""Check the types of the whole project, or of some paths: `python -m scripts.typecheck [PATH...]`.

The folder distill/ is the package kerneldistill, which an installed project knows from setuptools' `package-dir` and a
type checker cannot find out: it looks for a folder of that name. So copy the sources into a temporary folder, laid
out as they are imported, run basedpyright there with the rules in pyproject.toml, and report the paths of the checkout.

    python -m scripts.typecheck                    all packages and scripts
    python -m scripts.typecheck kernels distill/cli/main.py
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Each folder and where it stands while it is checked; a folder inside another one comes after it.
LAYOUT = {
    "distill": "kerneldistill",
    "kernels": "kerneldistill/kernels",
    "pipeline": "kerneldistill/pipeline",
    "scripts": "scripts",
}


def lay_out(folder: Path) -> None:
    """Copy the sources, but for notebooks, and the rules into `folder`."""
    for source, target in LAYOUT.items():
        shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__", "*.ipynb"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def moved(path: Path) -> str:
    """The path below the temporary folder of a path in the checkout, both relative."""
    folder, *rest = path.resolve().relative_to(ROOT).parts
    return "/".join([LAYOUT[folder], *rest])


def restored(report: str, folder: Path) -> str:
    """`report` with the paths of the checkout for those below `folder`."""
    for source, target in reversed(LAYOUT.items()):
        report = report.replace(f"{folder}/{target}/", f"{source}/")
    return report


def main(arguments: Sequence[str]) -> int:
    """Check the given paths, or everything; return basedpyright's exit status."""
    paths = [moved(Path(path)) for path in arguments]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        lay_out(folder)
        command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, *paths]
        answer = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
        print(restored(answer.stdout, folder), end="")
    return answer.returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
