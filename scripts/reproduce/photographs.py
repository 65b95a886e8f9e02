"""Cut the two photographs that come with scikit-learn into images of 64x64: a real data set of two classes.

    python -m scripts.reproduce.photographs photographs.npz

The left three quarters of each are train, the rest is test; no pixel is in both.
"""

import argparse
from pathlib import Path

import numpy as np

SIDE, STRIDE = 64, 16
NAMES = ("china.jpg", "flower.jpg")


def cut(picture: np.ndarray) -> np.ndarray:
    """Return every square of a picture [h, w, 3] at whole strides, uint8 [n, 64, 64, 3]."""
    squares = np.lib.stride_tricks.sliding_window_view(picture, (SIDE, SIDE), axis=(0, 1))[::STRIDE, ::STRIDE]
    return squares.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)


def arrays() -> dict[str, np.ndarray]:
    """The arrays of the .npz: images and labels of train and test, and the names of the classes."""
    from sklearn.datasets import load_sample_image

    pictures = [load_sample_image(name) for name in NAMES]
    found = {"class_names": np.array([name.removesuffix(".jpg") for name in NAMES])}
    for split, part in (("train", slice(0, 480)), ("test", slice(480, None))):
        squares = [cut(picture[:, part]) for picture in pictures]
        found[f"x_{split}"] = np.concatenate(squares)
        found[f"y_{split}"] = np.repeat(np.arange(len(NAMES)), [len(part) for part in squares])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the .npz to write")
    args = parser.parse_args()
    found = arrays()
    np.savez(args.file, allow_pickle=False, **found)
    print(f"{args.file}: {len(found['y_train'])} train and {len(found['y_test'])} test images of 64x64")


if __name__ == "__main__":
    main()
