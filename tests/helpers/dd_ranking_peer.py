"""What DD-Ranking's own package makes of arrays: run by its interpreter, as PYTHON dd_ranking_peer.py TASK IN OUT.

It needs numpy 1 and torch, so it stands in an environment of its own; IN and OUT are .npz files. Nothing here is ours:
each task calls ddranking 0.2.0, and says where that cannot be called as it is.
"""

import pickle
import sys
from pathlib import Path

import ddranking.metrics.hard_label as hard_module
import numpy as np
import torch
import torchvision.datasets.cifar as cifar
from ddranking.aug import DSA
from ddranking.config import Config
from ddranking.loss import SoftCrossEntropyLoss
from ddranking.metrics import AugmentationRobustScore, LabelRobustScoreHard, LabelRobustScoreSoft
from ddranking.utils import TensorDataset, build_model, get_lr_scheduler, get_optimizer, train_one_epoch
from torch.utils.data import DataLoader

# Of its own configs/Demo_LRS_Hard_Label.yaml.
STRENGTHS = {
    "flip": 0.5,
    "rotate": 15.0,
    "saturation": 2.0,
    "brightness": 1.0,
    "contrast": 0.5,
    "scale": 1.2,
    "crop": 0.125,
    "cutout": 0.5,
}


def _bare(kind, soft, num_eval):
    """A metric without data: what `compute_metrics` reads of it."""
    metric = object.__new__(kind)
    metric.use_dist, metric.rank, metric.num_eval, metric.eval_full_data = False, 0, num_eval, True
    metric.ipc, metric.num_classes, metric.label_type, metric.soft_label_mode = 1, 2, "hard", "M"
    metric.save_path = "scores.csv"
    metric._get_random_data_helper = lambda eval_iter: (None,) * (3 if kind is not AugmentationRobustScore else 4)
    return metric


def scores(given):
    """Its scores of accuracies [seeds] in parts of 1: by its `compute_metrics`, which is told them."""
    # Its hard metric appends each lrs twice (lines 384 and 388), and then cannot write its table.
    hard_module.save_results = lambda results, path: None
    image, count, found = torch.zeros(1), len(given["learned"]), {}
    for name, kind in (("hard", LabelRobustScoreHard), ("soft", LabelRobustScoreSoft)):
        metric = _bare(kind, name == "soft", count)
        hard = given["hard" if name == "soft" else "learned"]
        told = [[hard[i], given["whole"]] + ([given["random"][i]] if name == "hard" else []) for i in range(count)]
        hards = iter([each for row in told for each in row])
        softs = iter([each for i in range(count) for each in (given["learned"][i], given["random"][i])])
        metric._compute_hard_label_metrics_helper = lambda hards=hards, **_: (float(next(hards)), 0.01)
        metric._compute_soft_label_metrics_helper = lambda softs=softs, **_: (float(next(softs)), 0.01)
        found |= {f"{name}_{key}": value for key, value in metric.compute_metrics(image_tensor=image).items()}
    metric = _bare(AugmentationRobustScore, False, count)
    for which, names in (("with", ("learned", "random")), ("without", ("learned_toggled", "random_toggled"))):
        told = iter([given[name][i] for i in range(count) for name in names])
        setattr(metric, f"_compute_{which}_aug_metrics_helper", lambda told=told, **_: (float(next(told)), 0.01))
    return found | metric.compute_metrics(image_tensor=image)


def losses(given):
    """Its soft and hard losses of outputs [n, k] against labels [n, k]."""
    outputs, labels = torch.tensor(given["outputs"]), torch.tensor(given["labels"])
    soft = SoftCrossEntropyLoss(temperature=1.0, scale_loss=False)(outputs, labels)
    return {"soft": soft.numpy(), "hard": torch.nn.CrossEntropyLoss()(outputs, labels.argmax(1)).numpy()}


def changes(given):
    """Each change of its DSA, of images [n, c, h, w], by uniform draws [draws, n] instead of torch's."""
    images, found = torch.tensor(given["images"]), {}
    for name in ("scale", "rotate", "flip", "color", "crop", "cutout"):
        queue = iter(torch.tensor(given["draws"]))

        def rand(*size, queue=queue, dtype=torch.float32, **_):
            return next(queue).to(dtype).reshape(size)

        def randint(low, high, size, queue=queue, **_):
            return (low + next(queue) * (high - low)).floor().long().reshape(size)

        dsa = DSA(dict(STRENGTHS, siamese=False, latestseed=-1))
        own, torch.rand, torch.randint = (torch.rand, torch.randint), rand, randint
        try:
            found[name] = getattr(dsa, f"rand_{name}")(images).numpy()
        finally:
            torch.rand, torch.randint = own
    return found


def _convnet(params, shape, outputs):
    """Its ConvNet-3 with our weights, in flax's layout; width 128."""
    model = build_model("ConvNet-3", num_classes=outputs, im_size=shape, device="cpu")
    state = model.state_dict()
    for block in range(3):
        kernel = torch.tensor(params[f"Conv_{block}/kernel"]).permute(3, 2, 0, 1)
        state[f"features.{4 * block}.weight"] = kernel
        state[f"features.{4 * block}.bias"] = torch.tensor(params[f"Conv_{block}/bias"])
        state[f"features.{4 * block + 1}.weight"] = torch.tensor(params[f"GroupNorm_{block}/scale"])
        state[f"features.{4 * block + 1}.bias"] = torch.tensor(params[f"GroupNorm_{block}/bias"])
    rows = torch.tensor(params["Dense_0/kernel"]).reshape(shape[0] // 8, shape[1] // 8, 128, outputs)
    state["classifier.weight"] = rows.permute(3, 2, 0, 1).reshape(outputs, -1)
    state["classifier.bias"] = torch.tensor(params["Dense_0/bias"])
    model.load_state_dict(state)
    return model


def training(given):
    """Outputs of its ConvNet-3, begun with our weights: at once, and trained as it trains; labels as they are."""
    images, tests = (torch.tensor(given[name]) for name in ("images", "tests"))
    labels, epochs = torch.tensor(given["labels"]), int(given["epochs"])
    model = _convnet(given, images.shape[2:], int(given["outputs"]))
    with torch.no_grad():
        first = model(tests).numpy()
    # As its `_compute_hard_label_metrics` and `_compute_soft_label_metrics` build them.
    optimiser = get_optimizer("sgd", model, float(given["rate"]), 0.0005, 0.9)
    schedule = get_lr_scheduler("step", optimiser, epochs, epochs // 2)
    loss = torch.nn.CrossEntropyLoss() if labels.ndim == 1 else SoftCrossEntropyLoss(temperature=1.0)
    loader = DataLoader(TensorDataset(images, labels), batch_size=128, shuffle=True)
    for epoch in range(epochs):
        train_one_epoch(epoch, model, loader, loss, optimiser, lr_scheduler=schedule, device="cpu")
    with torch.no_grad():
        return {"first": first, "last": model.eval()(tests).numpy()}


def seeds(given):
    """Accuracies [sets] of its hard metric of sets [sets, n, c, h, w], class-major, by one rate, augmented or not."""
    data = [
        TensorDataset(*map(torch.tensor, (given[f"{name}_images"], given[f"{name}_labels"])))
        for name in ("train", "test")
    ]
    count, size = int(given["classes"]), given["sets"].shape[3:]
    same = {each: each for each in range(count)}
    hard_module.get_dataset = lambda *_: (3, size, None, None, count, data[0], data[1], data[1], same, same)
    epochs, per_class = int(given["epochs"]), given["sets"].shape[1] // count
    metric = LabelRobustScoreHard(
        dataset="CIFAR10",
        ipc=per_class,
        im_size=size,
        data_aug_func="dsa" if given["augmented"] else None,
        aug_params=dict(STRENGTHS),
        step_size=epochs // 2,
        num_epochs=epochs,
        syn_batch_size=128,
        num_workers=0,
        save_path="./scores.csv",
        device="cpu",
    )
    # It takes the best of a look at the test images each ten epochs; here it looks once.
    metric.test_interval = epochs
    labels = torch.arange(count).repeat_interleave(per_class)
    found = []
    for number, images in enumerate(given["sets"]):
        torch.manual_seed(number)
        each, _ = metric._compute_hard_label_metrics_helper(torch.tensor(images), None, labels, 0.01, "syn")
        found.append(each / 100)
    return {"accuracies": np.array(found)}


def _write_cifar(folder, given):
    """Files as CIFAR-10's, of made-up images, and let torchvision read them."""
    place = folder / "cifar-10-batches-py"
    place.mkdir(parents=True)
    cifar.check_integrity = lambda *_: True
    names = {"label_names": [str(number) for number in range(10)]}
    (place / "batches.meta").write_bytes(pickle.dumps(names))
    parts = np.array_split(np.arange(len(given["train_labels"])), 5)
    files = [(f"data_batch_{number + 1}", "train", rows) for number, rows in enumerate(parts)]
    for file, name, rows in [*files, ("test_batch", "test", np.arange(len(given["test_labels"])))]:
        images, labels = given[f"{name}_images"][rows], given[f"{name}_labels"][rows]
        flat = images.transpose(0, 3, 1, 2).reshape(len(rows), -1)
        (place / file).write_bytes(pickle.dumps({"data": flat, "labels": labels.tolist()}))


def folder(given):
    """Its soft metric of a folder that we export, by the lines in config.yaml: fewer epochs and rates, on a CPU."""
    torch.manual_seed(0)
    config = Config.from_file("config.yaml")
    _write_cifar(Path(config.get("real_data_path")), given)
    place = Path(config.get("teacher_dir")) / config.get("dataset") / "ConvNet-3"
    place.mkdir(parents=True)
    torch.save(build_model("ConvNet-3", 10, (32, 32), device="cpu").state_dict(), place / "ckpt_best.pt")
    shorter = {"device": "cpu", "num_epochs": 20, "step_size": 10, "num_eval": 1, "num_workers": 0}
    read = Config.from_file

    def from_file(path):
        found = read(path)
        found.update(shorter)
        return found

    Config.from_file = staticmethod(from_file)
    # It would search five rates for each of its three baselines.
    kind = LabelRobustScoreSoft
    kind._hyper_param_search_for_hard_label = lambda self, **given: self._compute_hard_label_metrics_helper(
        lr=0.01, **given
    )
    kind._hyper_param_search_for_soft_label = lambda self, **given: self._compute_soft_label_metrics_helper(
        lr=0.01, **given
    )
    lines = Path("config.yaml").read_text().split("\n\n")[0].splitlines()
    names = {}
    exec("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines), names)
    own = {name: torch.load(f"{name}.pt") for name in ("images", "labels", "lr")}
    tests = torch.stack([image for image, _ in names["metric"].test_loader_syn.dataset])
    return names["scores"] | own | {"tests": tests, "random": torch.load("random_data/rdm_data_iter0.pt")}


if __name__ == "__main__":
    task, source, target = sys.argv[1:]
    with np.load(source) as arrays:
        result = globals()[task](dict(arrays))
    np.savez(target, **{name: np.asarray(value) for name, value in result.items()})
