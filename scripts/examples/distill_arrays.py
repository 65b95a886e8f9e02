"""Learn ten images from numpy arrays, look at them, keep them, and classify new images with what was kept.

    python -m scripts.examples.distill_arrays [--steps 80] [--out distilled-digits]

The arrays are scikit-learn's handwritten digits; put your own in their place: uint8 images [n, h, w] or [n, h, w, c],
whole numbers [n] as labels.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import kerneldistill as kd


def main() -> None:
    """Learn, save, load, classify."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=80, help="outer steps (default 80, about a minute on two cores)")
    parser.add_argument("--out", type=Path, default=Path("distilled-digits"), help="folder of the bundle")
    args = parser.parse_args()

    digits: Any = load_digits()
    images = (digits.images * (255 / 16)).round().astype(np.uint8)  # [1797, 8, 8], pixels 0..255
    train, new = slice(1500), slice(1500, None)

    result = kd.distill(images[train], digits.target[train], size=10, steps=args.steps, optim={"target_batch": 400})
    folder = result.save(args.out)
    result.plot().save(folder.with_suffix(".png"))

    kept = kd.load(folder)
    right = kept.classify(images[new]) == digits.target[new]
    print(f"\n{kept}\n{folder.name}/ and {folder.name}.png are written.")
    print(f"Of {len(right)} new digits, {len(kept)} images classify {right.mean():.1%} right; the first five:")
    scores = kept.predict(images[new][:5])
    for output, label in zip(scores, digits.target[new], strict=False):
        first, second = output.argsort()[:-3:-1]
        print(f"  a {label}: {first} ({output[first]:+.2f}), then {second} ({output[second]:+.2f})")


if __name__ == "__main__":
    main()
