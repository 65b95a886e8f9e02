"""Sets learned by the features of an encoder, beside random real images, medoids, and the whole train set.

    python -m scripts.feature_kernels --data.dir DIR [--sizes 10 100] [--out scripts/results/feature-kernels.json]

The encoder is that of `scripts.examples.train_encoder`, trained here on the train split of CIFAR-10. Every set is
judged by kernel ridge regression with the features, and by a linear probe: logistic regression on the features of the
set, to the class of each image, of which learned labels know nothing. Medoids are the real images nearest to the
centres of k-means of the features of each class. Run directories, encoder and features stay in --work; the same command
again measures what is missing.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import serialization
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from kerneldistill.algorithms.encoders import give_encoder
from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.feature_regression import FeatureRegression
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.scoring import evaluate, random_support
from kerneldistill.algorithms.support import Support, real_support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.schema import FEATURES, Config, KernelConfig, KrrConfig, LossConfig, SupportConfig
from kerneldistill.config.toml import preset_config
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.kernels.feature_kernel import features
from kerneldistill.pipeline.prepared import Prepared, load
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.preparing import prepare
from kerneldistill.runs.stages import run
from kerneldistill.runtime import devices
from scripts.examples.train_encoder import Encoder, trained

NAME = "scripts.feature_kernels:phi"
DRAWS = 5


def config_of(folder: str, size: int, steps: int) -> Config:
    """CIFAR-10, standardised; learned by cross-entropy with a temperature, as CLP-DD does (2605.07194)."""
    base = preset_config("cifar10-fc1")
    return replace(
        base,
        data=replace(base.data, dir=folder, whiten="standard"),
        kernel=KernelConfig(FEATURES, 1, encoder=NAME),
        support=SupportConfig(size),
        loss=LossConfig("cross_entropy", temperature=0.1),
        optim=replace(base.optim, learning_rate=0.02, steps=steps, target_batch=5000),
        krr=KrrConfig(ridge=1e-3),
        evaluate=replace(base.evaluate, every=100, baseline_draws=DRAWS),
    )


def encoder(data: Prepared, file: Path, epochs: int) -> dict[str, Any]:
    """Train the encoder, unless it is in `file`, and let its name mean it; return what it took."""
    if not file.exists():
        began = time.perf_counter()
        content = serialization.to_bytes(trained(data, epochs))
        file.with_suffix(".json").write_text(json.dumps({"epochs": epochs, "seconds": time.perf_counter() - began}))
        file.write_bytes(content)
    params: Any = serialization.msgpack_restore(file.read_bytes())
    net: Any = Encoder()
    give_encoder(features(lambda x: net.apply(params, x)), NAME)
    return json.loads(file.with_suffix(".json").read_text())


def kept(file: Path, make: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What is in a file, or what `make` returns, which is then in it."""
    if not file.exists():
        file.write_text(json.dumps(make()))
    return json.loads(file.read_text())


class Judge:
    """Scores sets on the test split, by kernel ridge regression and by a linear probe.

    Args:
      data: of which
      config: whose kernel and ridge are used
      folder: where the features of all images are kept
    """

    def __init__(self, data: Prepared, config: Config, folder: Path) -> None:
        engine = engine_of(config.kernel, data.manifest.image_shape)
        assert isinstance(engine, FeatureEngine)  # of features
        self.engine, self.data, self.classes = engine, data, len(data.manifest.class_names)
        self.ridge = config.krr.ridge
        self.test, self.train = (
            Targets(engine, split, self.classes, folder=folder) for split in (data.test, data.train)
        )

    def all_features(self, targets: Targets) -> np.ndarray:
        """Of all images of a split, [n, d]."""
        found: Any = [(chunk.features, len(chunk.labels)) for chunk in targets.chunks(1)]
        return np.concatenate([features.values[:count] for features, count in found])

    def probe(self, values: np.ndarray, classes: np.ndarray) -> float:
        """Test accuracy of logistic regression on features [n, d] of images of `classes` [n]."""
        scale = float(np.std(values))
        fitted = LogisticRegression(C=1.0, max_iter=200).fit(values / scale, classes)
        return float(fitted.score(self.all_features(self.test) / scale, self.data.test.labels))

    def scores(self, support: Support, classes: np.ndarray) -> dict[str, float]:
        """Both figures of a set."""
        own = Support(support.images.astype(self.engine.dtype), support.labels)
        krr = evaluate(self.engine, own, self.test, self.ridge).accuracy
        return {"krr": krr, "linear_probe": self.probe(self.engine.encode(own.images), classes)}

    def medoids(self, size: int) -> Support:
        """The real images nearest to the centres of k-means in each class."""
        values, labels, rows = self.all_features(self.train), self.data.train.labels, []
        for label in range(self.classes):
            there = np.flatnonzero(labels == label)
            found = KMeans(size // self.classes, random_state=0).fit(values[there])
            distances = found.transform(values[there])
            rows += [int(there[distances[:, centre].argmin()]) for centre in range(distances.shape[1])]
        return real_support(self.data.train, np.array(rows), self.classes, self.engine.dtype)

    def whole(self) -> dict[str, float]:
        """Both figures of the whole train split."""
        values, labels = self.all_features(self.train), self.data.train.labels
        with_bias = np.concatenate([values, np.full((len(values), 1), self.engine.kernel.b_std)], axis=1)
        regression = FeatureRegression(with_bias.astype(np.float64), self.ridge)
        weights = regression.fit(centred_one_hot(labels, self.classes)).of_features
        outputs = self.all_features(self.test) @ weights[:-1] + self.engine.kernel.b_std * weights[-1]
        krr = float(np.mean(outputs.argmax(1) == self.data.test.labels))
        return {"krr": krr, "linear_probe": self.probe(values, labels)}


def measured(config: Config, work: Path, judge: Judge) -> dict[str, Any]:
    """Learn a set and judge it and its rivals."""
    began, size, data = time.perf_counter(), config.support.size, judge.data
    learned = {}
    for name, learns in (("labels_learned", True), ("labels_fixed", False)):
        own = replace(config, support=replace(config.support, learn_labels=learns))
        with RunDir(work / f"{size}-{name}").open(own) as rundir:
            run(own, rundir)
        found, last = Outcome.load(rundir.outcome_file), rundir.metrics_file.read_text().splitlines()[-1]
        scores = judge.scores(found.support, found.start.class_ids)
        learned[name] = {**scores, "seconds": round(json.loads(last)["elapsed"], 1)}
    draws = [random_support(data.train, judge.classes, size, 0, draw, judge.engine.dtype) for draw in range(DRAWS)]
    real = [judge.scores(draw, draw.labels.argmax(1)) for draw in draws]
    medoids = judge.medoids(size)
    return {
        "images": size,
        "steps": config.optim.steps,
        "learned": learned,
        "random_real": {name: [score[name] for score in real] for name in real[0]},
        "medoids": judge.scores(medoids, medoids.labels.argmax(1)),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data.dir", dest="dir", required=True, help="folder of TFDS data sets that holds cifar10")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100], help="images to learn (default 10 100)")
    parser.add_argument("--steps", type=int, default=300, help="outer steps (default 300)")
    parser.add_argument("--epochs", type=int, default=4, help="of the encoder (default 4)")
    parser.add_argument("--work", type=Path, default=Path("runs/feature-kernels"), help="folder of what is made")
    parser.add_argument("--out", type=Path, default=Path("feature-kernels.json"))
    args = parser.parse_args()
    devices.setup()
    args.work.mkdir(parents=True, exist_ok=True)
    first = config_of(args.dir, args.sizes[0], args.steps)
    with RunDir(args.work / "data").open(replace(first, kernel=KernelConfig("fc", 1))) as rundir:
        prepare(first, rundir)
    data = load(rundir.prepared)
    trained_in = encoder(data, args.work / "encoder.msgpack", args.epochs)
    judge = Judge(data, first, args.work / "features")
    record: dict[str, Any] = {
        "data": data.manifest.summary(),
        "devices": f"{len(jax.devices())} {jax.devices()[0].device_kind}",
        "encoder": {**trained_in, "features": judge.engine.size},
        "whole_train": kept(args.work / "whole.json", judge.whole),
        "sets": [],
    }
    for size in args.sizes:
        record["sets"].append(measured(config_of(args.dir, size, args.steps), args.work, judge))
        print(json.dumps(record["sets"][-1]), flush=True)
        args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
