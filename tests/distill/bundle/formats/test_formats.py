"""Every format: its files are those the other program reads, and nothing but what it says is lost on the way back."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerneldistill.bundle.formats.detect import read_foreign
from kerneldistill.bundle.formats.export_source import ExportSource
from kerneldistill.bundle.formats.foreign_set import labels_of
from kerneldistill.bundle.formats.normalization import NORMALISATIONS, normalised
from kerneldistill.bundle.formats.registry import FORMATS, READ, WRITTEN, formats_named
from kerneldistill.bundle.untrusted.torch_file import read_torch
from kerneldistill.cli.main import main
from kerneldistill.errors import UserError
from kerneldistill.pipeline.whitening.registry import WHITENINGS
from tests.helpers.bundles import NAMES, SHAPE, fitted
from tests.helpers.foreign import make_exported

KINDS = WHITENINGS
SAME = {"kip", "hf", "tfds"}
SOFT = {"kip", "datm", "dd-ranking", "hf", "tfds"}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> ExportSource:
    """A bundle in KIP's ZCA with learned labels, whose largest entries are the classes they began in."""
    labels = np.eye(3)[[0, 0, 1, 1, 2, 2]] - 0.4 + np.random.default_rng(1).uniform(0, 0.3, (6, 3))
    return make_exported(
        tmp_path_factory.mktemp("learned") / "bundle",
        labels=labels,
        label_mode="learned",
        results={"learned": {"accuracy": 0.5, "mse": 0.03}},
    )


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


PLACES = {
    "kip": ["kip/kip.csv", "kip/tiny/ConvNet2p_ssize6_zca_l_noaug_ckpt12.npz"],
    "dc-bench": [f"distilled_results/TM/tiny/IPC2/{name}_best.pt" for name in ("images", "labels")],
    "dc": ["res_DC_tiny_ConvNet_2ipc.pt"],
    "mtt": ["images_best.pt", "labels_best.pt"],
    "datm": ["images_best.pt", "labels_best.pt", "lr_best.pt"],
    "dd-ranking": ["config.yaml", "images.pt", "labels.pt", "lr.pt"],
    "imagefolder": [f"{c:05d}/class{c:05d}_id{i:05d}.png" for c in range(3) for i in range(2)],
    "hf": ["README.md", "data/train-00000-of-00001.parquet", "transform.npz"],
    "png": ["support.png"],
}


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "tfds"])
def test_the_files_are_where_the_other_program_looks(tmp_path: Path, name: str, learned: ExportSource) -> None:
    copies = FORMATS[name].writer.write(learned, tmp_path)
    assert files(tmp_path) == PLACES[name]
    for copy in copies:
        # What is lost is said, and what is said is lost.
        same_labels = np.allclose(labels_of(copy.read, 3).values, learned.bundle.labels, atol=1e-6)
        same_images = copy.space is learned.bundle.whitener
        assert (same_images and same_labels) == (copy.lost == ""), copy
        assert same_labels == (name in SOFT and "image" not in copy.what.split()[-1:]), copy
        assert labels_of(copy.read, 3).class_ids.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_the_images_come_back_in_the_space_that_is_said(tmp_path: Path, kind: str) -> None:
    exported = make_exported(tmp_path / "bundle", kind)
    # `none` and kornia's ZCA keep no channels: they are measured where the data are at hand.
    pixels = np.random.default_rng(0).integers(0, 256, (200, *SHAPE), dtype=np.uint8)
    vars(exported)["normalised"] = fitted("standard", pixels)
    for name in sorted({*WRITTEN} - {"tfds", "png"}):
        (tmp_path / name).mkdir()
        for copy in FORMATS[name].writer.write(exported, tmp_path / name):
            whole = copy.read.images.dtype == np.uint8
            found = copy.read.images if whole else copy.space.invert(copy.read.images)
            truth = exported.bytes if whole else exported.pixels
            np.testing.assert_allclose(found, truth, atol=0.01 * np.abs(truth).max(), err_msg=name)
            np.testing.assert_allclose(labels_of(copy.read, 3).values, exported.bundle.labels, atol=1e-6)


def test_a_set_that_is_written_twice_has_equal_bytes(tmp_path: Path, learned: ExportSource) -> None:
    for name in ("kip", "dc", "mtt", "dd-ranking", "hf", "imagefolder"):
        contents = []
        for side in ("a", "b"):
            folder = tmp_path / side / name
            folder.mkdir(parents=True)
            FORMATS[name].writer.write(learned, folder)
            contents.append({path: (folder / path).read_bytes() for path in files(folder)})
        assert contents[0] == contents[1], name


def test_kips_index_has_a_row_for_each_set_and_its_columns(tmp_path: Path, learned: ExportSource) -> None:
    for _ in range(2):
        FORMATS["kip"].writer.write(learned, tmp_path)
    solved = replace(learned, bundle=replace(learned.bundle, manifest=_manifest(learned, label_mode="label_solve")))
    FORMATS["kip"].writer.write(solved, tmp_path)
    other = replace(learned, bundle=replace(learned.bundle, manifest=_manifest(learned, step=1000, label_mode="fixed")))
    FORMATS["kip"].writer.write(other, tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "kip" / "kip.csv").read_text())))
    assert [row["URL"] for row in rows] == [
        "kip/tiny/ConvNet2p_ssize6_zca_l_noaug_ckpt12.npz",
        "kip/tiny/ConvNet2p_ssize6_zca_nol_noaug_ckpt1000.npz",
    ]
    assert (
        (tmp_path / "kip" / "kip.csv")
        .read_text()
        .startswith(
            "architecture,dataset,ssize,zca,l,aug,ckpt,test_acc,test_mse,URL\nConvNet2p,tiny,6,True,True,False,12,0.5,0.03,"
        )
    )
    assert (
        (tmp_path / "ls" / "ls.csv")
        .read_text()
        .startswith(
            "architecture,dataset,ssize,zca,l,ckpt,test_acc,test_mse,URL\nConvNet2p,tiny,6,True,False,12,0.5,0.03,"
        )
    )
    assert (tmp_path / "ls" / "tiny" / "ConvNet2p_ssize6_zca.npz").is_file()


def _manifest(exported: ExportSource, **changes: object) -> object:
    return replace(exported.bundle.manifest, **changes)


def test_dc_bench_gets_kips_name_for_a_set_in_kips_zca(tmp_path: Path, learned: ExportSource) -> None:
    cifar = replace(learned, bundle=replace(learned.bundle, manifest=_manifest(learned, dataset="cifar10")))
    (copy,) = FORMATS["dc-bench"].writer.write(cifar, tmp_path)
    place = "distilled_results/KIP/CIFAR10/IPC2/kip_cifar10_ConvNet3_ssize6_zca_nol_noaug_ckpt1000.npz"
    assert files(tmp_path) == [place]
    np.testing.assert_array_equal(copy.read.images, learned.bundle.images)
    assert copy.read.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert "largest class" in copy.lost


def test_torch_programs_get_their_own_constants_and_types(tmp_path: Path, learned: ExportSource) -> None:
    cifar = replace(learned, bundle=replace(learned.bundle, manifest=_manifest(learned, dataset="cifar10")))
    FORMATS["dc"].writer.write(cifar, tmp_path)
    value = read_torch(tmp_path / "res_DC_CIFAR10_ConvNet_2ipc.pt")
    images, labels = value["data"][-1]
    mean, std = (np.array(part)[:, None, None] for part in NORMALISATIONS["cifar10"])
    truth = (np.moveaxis(learned.pixels, -1, 1) / 255 - mean) / std
    np.testing.assert_allclose(images, truth, atol=1e-4 * np.abs(truth).max())
    assert (images.dtype, labels.dtype, value["accs_all_exps"]) == (np.float32, np.int64, {"ConvNet": []})


def test_kornias_whitening_is_used_where_it_is_given(tmp_path: Path, learned: ExportSource) -> None:
    kornia = fitted("kornia_zca", np.random.default_rng(0).integers(0, 256, (200, *SHAPE), dtype=np.uint8))
    exported = replace(learned, kornia=kornia)
    exported.check()
    FORMATS["dd-ranking"].writer.write(exported, tmp_path)
    np.testing.assert_array_equal(read_foreign(tmp_path).images, kornia.apply(learned.pixels))
    config = (tmp_path / "config.yaml").read_text().splitlines()
    assert {'dataset: "tiny"', "use_zca: true", "ipc: 2", "im_size: [6, 5]", "soft_label_mode: S"} <= {*config}
    with pytest.raises(UserError, match="--kornia names data whitened by standard"):
        replace(learned, kornia=learned.normalised).check()


def test_soft_labels_are_shifted_only_when_asked(tmp_path: Path, learned: ExportSource) -> None:
    FORMATS["datm"].writer.write(learned, tmp_path)
    np.testing.assert_array_equal(read_torch(tmp_path / "labels_best.pt"), learned.bundle.labels)
    assert read_torch(tmp_path / "lr_best.pt").shape == ()
    FORMATS["datm"].writer.write(replace(learned, shift_labels=True), tmp_path)
    np.testing.assert_allclose(read_torch(tmp_path / "labels_best.pt"), learned.bundle.labels + 1 / 3, atol=1e-6)


def test_learned_labels_become_as_many_of_each_class_as_there_were(learned: ExportSource) -> None:
    def classes(*labels: Sequence[float]) -> list[int]:
        bundle = replace(learned.bundle, labels=np.array(labels, np.float32))
        return replace(learned, bundle=bundle).hard_labels.tolist()

    zero, one, two = np.eye(3).tolist()
    assert classes(two, one, zero, two, one, zero) == [2, 1, 0, 2, 1, 0]
    # Three are 2 by their largest label: that which gives up least for class 1 takes it.
    assert classes([0, 0.1, 2], [0, 1.5, 2], [0, 0.2, 2], one, zero, zero) == [2, 1, 2, 1, 0, 0]
    # The largest sum of labels of all ways to share the classes out, by trying each.
    labels = np.random.default_rng(2).normal(size=(6, 3))
    best = max(set(permutations([0, 0, 1, 1, 2, 2])), key=lambda ids: labels[np.arange(6), ids].sum())
    assert classes(*labels) == list(best)


def test_programs_that_count_rows_get_them_in_the_order_of_their_classes(tmp_path: Path, learned: ExportSource) -> None:
    order = [4, 5, 0, 1, 2, 3]
    mixed = replace(learned, bundle=replace(learned.bundle, labels=learned.bundle.labels[order]))
    assert mixed.hard_labels.tolist() == [2, 2, 0, 0, 1, 1]
    for name in ("dc", "dc-bench", "mtt", "datm", "dd-ranking"):
        (copy,) = FORMATS[name].writer.write(mixed, tmp_path)
        labels = labels_of(copy.read, 3)
        assert labels.class_ids.tolist() == [0, 0, 1, 1, 2, 2], name
        # Rows of images and soft labels went together.
        np.testing.assert_allclose(copy.space.invert(copy.read.images), mixed.pixels[[2, 3, 4, 5, 0, 1]], atol=1e-2)
        if name in SOFT:
            np.testing.assert_array_equal(labels.values, learned.bundle.labels)


def test_equal_rows_stay_in_the_order_of_the_classes_that_they_were_given(learned: ExportSource) -> None:
    alike = np.array([[2.0, 2, 2], [3, 0, 0], [2, 2, 2], [2, 2, 2], [0, 3, 0], [2, 2, 2]], np.float32)
    source = replace(learned, bundle=replace(learned.bundle, labels=alike))
    assert source.class_major.hard_labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert source.class_major is source.class_major


def test_uneven_classes_are_refused_where_they_cannot_be(tmp_path: Path, learned: ExportSource) -> None:
    uneven = replace(learned, bundle=replace(learned.bundle, class_ids=np.array([0, 1, 1, 1, 2, 2], np.int32)))
    for name in ("dc", "dc-bench", "dd-ranking"):
        with pytest.raises(UserError, match=f"{name} needs equally many images of each class, there are 1 to 3"):
            FORMATS[name].writer.write(uneven, tmp_path)
    assert uneven.hard_labels.tolist().count(1) == 3
    FORMATS["mtt"].writer.write(uneven, tmp_path)


def test_channels_that_nobody_knows_are_asked_for(tmp_path: Path) -> None:
    exported = make_exported(tmp_path / "bundle", "none")
    with pytest.raises(UserError, match=r"keeps no mean of the channels of 'tiny'.*--prepared"):
        FORMATS["dc"].writer.write(exported, tmp_path)
    assert normalised("cifar10", exported.bundle.whitener, None).channel_mean.tolist() == [0.4914, 0.4822, 0.4465]


def test_the_parquet_says_what_datasets_needs(tmp_path: Path, learned: ExportSource) -> None:
    import pyarrow.parquet as pq

    FORMATS["hf"].writer.write(learned, tmp_path)
    schema = pq.read_schema(tmp_path / "data" / "train-00000-of-00001.parquet")
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["label"] == {"names": list(NAMES), "_type": "ClassLabel"}
    assert schema.names == list(features)
    card = (tmp_path / "README.md").read_text()
    assert card.startswith("---\n")
    assert "\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n---\n" in card
    assert "reaches 50.0 % on test" in card


def test_pictures_are_clipped_pixels(tmp_path: Path, learned: ExportSource) -> None:
    FORMATS["imagefolder"].writer.write(learned, tmp_path)
    with Image.open(tmp_path / "00001" / "class00001_id00001.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.clip(np.round(learned.pixels[3]), 0, 255))


@pytest.mark.filterwarnings("ignore:label:DeprecationWarning")  # protobuf's, from inside TFDS
def test_tfds_reads_the_data_set(tmp_path: Path, learned: ExportSource) -> None:
    import tensorflow_datasets as tfds

    whitened, image = FORMATS["tfds"].writer.write(learned, tmp_path)
    assert (whitened.lost, "8 bits" in image.lost) == ("", True)
    builder = tfds.builder_from_directory(str(tmp_path / "tiny_distilled_6" / "1.0.0"))
    assert builder.info.features["label"].names == list(NAMES)
    rows = list(builder.as_data_source(split="train"))
    np.testing.assert_array_equal(np.stack([row["whitened"] for row in rows]), learned.bundle.images)
    np.testing.assert_array_equal(np.stack([row["soft_label"] for row in rows]), learned.bundle.labels)
    np.testing.assert_array_equal(np.stack([row["image"] for row in rows]), learned.bytes)
    assert [row["label"] for row in rows] == [0, 0, 1, 1, 2, 2]


def test_formats_are_named_in_words_or_by_commas() -> None:
    assert formats_named(["all"]) == WRITTEN
    assert formats_named(["dc", "kip", "dc"]) == formats_named([" dc, kip,dc"]) == ("dc", "kip")
    with pytest.raises(UserError, match="--to has 'torch', allowed are: all, kip, dc-bench"):
        formats_named(["dc", "torch"])
    with pytest.raises(UserError, match="--to has no format, allowed are all, or some of: kip"):
        formats_named([""])


def test_every_row_has_a_module_with_what_it_says() -> None:
    modules = {name: import_module(f"kerneldistill.bundle.formats.{row.module}") for name, row in FORMATS.items()}
    assert {name for name, module in modules.items() if hasattr(module, "write")} == {*WRITTEN}
    assert {name for name, module in modules.items() if hasattr(module, "detects")} == {*READ}
    assert all(hasattr(modules[name], "read") for name in READ)


def test_the_rows_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    told = {}
    for command in ("export", "import"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        told[command] = " ".join(capsys.readouterr().out.split())
    assert all(f" {name} {FORMATS[name].writes}" in told["export"] for name in WRITTEN)
    assert all(FORMATS[name].reads in told["import"] for name in READ)
