"""Send a data set through JPEG, to measure what that costs: the rows of jpeg.toml.

    python -m scripts.reproduce.jpeg fashion_mnist 75 fashion-q75.npz --data-dir ~/tensorflow_datasets

Colours lose half their resolution (4:2:0), as in the CIFAR-10 that the tables call JPEG q75.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from kerneldistill.config.schema import DataConfig
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.sources.record import Record
from kerneldistill.pipeline.sources.source import Source


def compressed(picture: Image.Image, quality: int) -> np.ndarray:
    """Return a picture as a JPEG file of that quality keeps it, uint8 [h, w, 1 or 3]."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.atleast_3d(np.asarray(Image.open(file)))


def arrays(source: Source, quality: int) -> dict[str, np.ndarray]:
    """The arrays of the .npz: images and labels of train and test, and the names of the classes."""
    found = {"class_names": np.array(source.class_names)}
    for split in ("train", "test"):
        images, labels = [], []
        for record in source.read(split, 0, source.num_examples(split)):
            assert isinstance(record, Record)
            assert isinstance(record.image, bytes)
            images.append(compressed(Image.open(io.BytesIO(record.image)), quality))
            labels.append(record.label)
        found[f"x_{split}"], found[f"y_{split}"] = np.stack(images), np.array(labels)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of a TFDS data set")
    parser.add_argument("quality", type=int, help="of the JPEG files, 1 to 95")
    parser.add_argument("file", type=Path, help="the .npz to write")
    parser.add_argument("--data-dir", type=Path, required=True, help="the folder of the data")
    args = parser.parse_args()
    found = arrays(open_source(DataConfig(name=args.name, dir=str(args.data_dir))), args.quality)
    np.savez(args.file, allow_pickle=False, **found)
    print(f"{args.file}: {len(found['y_train'])} train and {len(found['y_test'])} test images")


if __name__ == "__main__":
    main()
