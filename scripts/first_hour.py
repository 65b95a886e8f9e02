"""The first hour of a user, as a log: from a clone to a learned set of their own 300 photographs.

    python -m scripts.first_hour FOLDER            # clones this checkout there, installs it, and goes on
    python -m scripts.first_hour FOLDER --no-install

Every command is shown with what it prints and the seconds that it takes; one of them is a mistake, and the next is what
its message says. The photographs are made: discs, squares and triangles of any size in JPEG files, in noise and out of
focus.
"""

import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from tyro.conf import Positional

from kerneldistill.cli.invocation import of_program

ROOT = Path(__file__).parents[1]
SHAPES, PHOTOGRAPHS = ("disc", "square", "triangle"), 300
_SIZED = "--data.dir photos --data.height 16 --data.width 16 --data.resize lanczos"
COMMANDS = (
    "kdistill --help",
    "kdistill run --data.dir photos",
    f"kdistill plan {_SIZED}",
    f"kdistill run {_SIZED} --support.size 6 --support.learn-labels --optim.steps 40 --optim.target-batch 200",
    f"kdistill run {_SIZED} --support.size 6 --support.learn-labels --optim.steps 40 --optim.target-batch 200",
    "kdistill report runs/photos",
    "kdistill evaluate runs/photos --protocol krr --seeds 2",
    "kdistill export runs/photos --to png hf",
)
# Lines of the beginning and of the end that are shown of what a command prints.
HEAD, TAIL = 6, 8


@dataclass(frozen=True)
class Hour:
    """Where it is spent."""

    # Everything is made there.
    folder: Annotated[Path, Positional]
    # Clone and install first; else the program is that which runs this.
    install: bool = True


def photograph(rng: np.random.Generator, shape: str) -> Image.Image:
    """Return a picture of any size in which there is a shape, somewhere."""
    width, height = (int(side) for side in rng.integers(90, 240, 2))
    back, front = rng.integers(0, 110, 3), rng.integers(140, 256, 3)
    picture = Image.fromarray((back + rng.integers(0, 40, (height, width, 3))).astype(np.uint8))
    r = int(min(width, height) * rng.uniform(0.3, 0.42))
    x, y = (int(side * rng.uniform(0.42, 0.58)) for side in (width, height))
    pen, colour = ImageDraw.Draw(picture), tuple(front.tolist())
    if shape == "disc":
        pen.ellipse((x - r, y - r, x + r, y + r), colour)
    elif shape == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), colour)
    else:
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], colour)
    return picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 2))))


def make_photographs(folder: Path) -> None:
    """Write all photographs, each into the folder of its class, and what else lies in such folders."""
    rng = np.random.default_rng(0)
    for number in range(PHOTOGRAPHS):
        shape = SHAPES[number % len(SHAPES)]
        (folder / shape).mkdir(parents=True, exist_ok=True)
        photograph(rng, shape).save(folder / shape / f"IMG_{number:04}.jpg", quality=85)
    (folder / SHAPES[0] / "Thumbs.db").write_bytes(b"\0" * 100)
    (folder / "notes.txt").write_text("from the summer\n")


def shown(command: str, folder: Path, program: Path) -> float:
    """Run a command, show it and what it prints, and return its seconds."""
    print(f"\n$ {command}", flush=True)
    environment = {**os.environ, "PATH": f"{program}:{os.environ['PATH']}", "COLUMNS": "120"}
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    lines = done.stdout.splitlines()
    left_out = [f"  ... {len(lines) - HEAD - TAIL} more lines"] if len(lines) > HEAD + TAIL + 1 else []
    told = [*lines[:HEAD], *left_out, *lines[-TAIL:]] if left_out else lines
    print("\n".join(told), flush=True)
    print(f"[{seconds:.1f} s, status {done.returncode}]", flush=True)
    return seconds


def main() -> None:
    """Spend the hour."""
    asked = of_program(Hour, __doc__ or "")
    asked.folder.mkdir(parents=True, exist_ok=True)
    program, first = Path(sys.executable).parent, ()
    if asked.install:
        program = (asked.folder / "kerneldistill" / ".venv" / "bin").absolute()
        first = (
            f"git clone -q {shlex.quote(str(ROOT))} kerneldistill",
            "cd kerneldistill && python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e .",
        )
    seconds = sum(shown(command, asked.folder, program) for command in first)
    make_photographs(asked.folder / "photos")
    seconds += sum(shown(command, asked.folder, program) for command in COMMANDS)
    print(f"\nin all: {seconds / 60:.1f} minutes of {len(first) + len(COMMANDS)} commands")


if __name__ == "__main__":
    main()
