"""A stranger's bundle whose digests all match: what it says is data, and what it says wrongly is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from kerneldistill.bundle.formats.export_source import ExportSource
from kerneldistill.bundle.formats.exporter import export
from kerneldistill.bundle.formats.registry import WRITTEN
from kerneldistill.bundle.reader import find_problems, read_bundle
from kerneldistill.cli.main import main
from kerneldistill.errors import UserError
from tests.helpers.foreign import make_exported
from tests.helpers.signed import change_array, sign


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original") / "bundle"
    make_exported(folder)
    return folder


@pytest.fixture
def bundle(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "in" / "bundle")


def says(**changes: object) -> Callable[[Path], None]:
    return lambda bundle: sign(bundle, **changes)


def holds(file: str, name: str, change: Callable[[np.ndarray], object]) -> Callable[[Path], None]:
    return lambda bundle: change_array(bundle, file, name, change)


def results(**measured: object) -> Callable[[Path], None]:
    def act(bundle: Path) -> None:
        (bundle / "results.json").write_text(json.dumps({"learned": measured}))
        sign(bundle)

    return act


HUGE = 2**31 - 1
NONSENSE = {
    "nan in feature_mean": (holds("transform.npz", "feature_mean", lambda x: x * np.nan), "feature_mean"),
    "nan image_mean": (holds("transform.npz", "image_mean", lambda x: np.nan), "image_mean"),
    "inf image_norm": (holds("transform.npz", "image_norm", lambda x: np.inf), "image_norm"),
    "image_mean of no number": (holds("transform.npz", "image_mean", lambda x: x[None][:0]), "image_mean is no float"),
    "a list of one image_norm": (holds("transform.npz", "image_norm", lambda x: x[None]), "image_norm is no float"),
    "nan reg": (holds("transform.npz", "reg", lambda x: np.nan), "reg"),
    "text reg": (holds("transform.npz", "reg", lambda x: "0.1"), "reg is no float"),
    "another inverse": (holds("transform.npz", "W_inv", lambda x: x * 1.1), "not the inverse"),
    "no deviation": (holds("transform.npz", "channel_std", lambda x: x * 0), "channel_std"),
    "control in fit_split": (holds("transform.npz", "fit_split", lambda x: "a\x1b[2J"), "fit_split"),
    "pixels x 1e38": (holds("support.npz", "images", lambda x: (x * np.float32(1e38)).clip(-3e38, 3e38)), "images are"),
    "labels of 1e38": (holds("support.npz", "labels", lambda x: x * np.float32(1e38)), "labels are"),
    "init_indices": (holds("support.npz", "init_indices", lambda x: np.full_like(x, HUGE)), "init_indices"),
    "equal init_indices": (holds("support.npz", "init_indices", lambda x: x * 0 + 3), "init_indices"),
    "a probe of nothing": (holds("probe.npz", "transformed", lambda x: np.zeros((0, *x.shape))), "values inf away"),
    "no probe": (holds("probe.npz", "raw", lambda x: x[:0]), "probe is"),
    "seed": (says(seed=-5), "seed"),
    "validation_seed": (says(validation_seed=2**70), "validation_seed"),
    "step": (says(step=2**70), "step"),
    "ridge": (says(ridge=float("nan")), "ridge"),
    "depth": (says(kernel={"network": "fc", "depth": 10**6}), "depth"),
    "a kernel too deep for the images": (says(kernel={"network": "conv_net", "depth": 5}), "halved"),
    "a kernel that is none": (says(kernel={"network": "fc", "depth": 1, "parameterization": "standard"}), "width"),
    "equal class names": (says(class_names=["a", "a", "b"]), "class_names"),
    "empty class name": (says(class_names=["", "a", "b"]), "class_names"),
    "class name of 100 kB": (says(class_names=["x" * 100_000, "a", "b"]), "class_names"),
    "class name of two lines": (says(class_names=["x\ny", "a", "b"]), "class_names"),
    "terminal in the name": (says(dataset="\x1b]0;evil\x07"), "dataset"),
    "front matter in the licence": (says(licence="x\n---\nlicense: evil"), "licence"),
    "direction in the version": (says(dataset_version="1\u202e0"), "dataset_version"),
    "a digest that is none": (says(config_sha256="../x"), "config_sha256"),
    "a file elsewhere": (says(files={"../../etc/passwd": "0" * 64}), "lists other files"),
    "nan accuracy": (results(accuracy=float("nan"), mse=0.1), "accuracy"),
    "accuracy in words": (results(accuracy="=1+1", mse=0.1), "accuracy"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_signed_nonsense_is_named_by_verify_and_refused_on_load(bundle: Path, name: str) -> None:
    act, message = NONSENSE[name]
    act(bundle)
    found = list(find_problems(bundle))
    assert any(message in problem for problem in found), found
    assert all(problem.isprintable() and len(problem) < 600 for problem in found), found
    with pytest.raises(UserError, match=message):
        read_bundle(bundle)


PATHS = ("../../../escaped", "/tmp/kd-escaped/x", "..", "a/../../../b", ".hidden", "name/config", "x" * 400, "süß")
MARKUP = ('<script>alert("1")</script>', "=HYPERLINK(1)", "x: [1]", "'--- #", "[a](b)", "@SUM(A1)", "a|b", "`x`")


@pytest.mark.parametrize("dataset", PATHS + MARKUP)
def test_no_name_leads_out_of_the_folder_or_becomes_markup(bundle: Path, dataset: str, tmp_path: Path) -> None:
    sign(bundle, dataset=dataset, licence=f"- {dataset}"[:3000])
    out = tmp_path / "deep" / "out"
    before = sorted(tmp_path.rglob("*"))
    names = [name for name in WRITTEN if name != "tfds"]
    export(ExportSource(read_bundle(bundle), bundle), names, out, 0)
    made = [path for path in tmp_path.rglob("*") if path not in before and path != tmp_path / "deep"]
    assert all(path == out or out in path.parents for path in made)
    assert not Path("/tmp/kd-escaped").exists()
    card = (out / "hf" / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["pretty_name"] == f"{dataset}, distilled to 6 images"
    assert front["license"] == "other"
    assert "<script>" not in card.split("---\n", 2)[2]
    config = yaml.safe_load((out / "dd-ranking" / "config.yaml").read_text())
    assert isinstance(config["dataset"], str)
    assert config["ipc"] == 2
    cells = (out / "kip" / "kip" / "kip.csv").read_text().splitlines()[1].split(",")
    assert not any(cell.lstrip('"')[:1] in ("=", "@", "+", "-") for cell in cells)


@pytest.mark.filterwarnings("ignore:label:DeprecationWarning")  # protobuf's, from inside TFDS
def test_tfds_takes_any_name(bundle: Path, tmp_path: Path) -> None:
    sign(bundle, dataset="../../9 Süß")
    export(ExportSource(read_bundle(bundle), bundle), ["tfds"], tmp_path / "out", 0)
    (made,) = (tmp_path / "out" / "tfds").iterdir()
    assert made.name.startswith("set_9")


def test_the_command_writes_nothing_outside(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sign(bundle, dataset="../../../evil")
    assert main(["export", str(bundle), "--to", "kip,dc-bench", "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert "evil" in capsys.readouterr().out
