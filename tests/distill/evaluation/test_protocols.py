"""The numbers of every protocol, as its source has them."""

import pytest

from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.protocols import PROTOCOLS, Recipe

CONVNET, BATCH = network_spec("convnet-instance"), network_spec("convnet-batch")


def recipe(name: str, dataset: str, network: str = "convnet-instance") -> Recipe:
    return PROTOCOLS[name].on(dataset, network_spec(network)).recipe


def changes(name: str, dataset: str, network: str = "convnet-instance") -> set[str]:
    found = recipe(name, dataset, network).augmentation
    return set() if found is None else set(found.names)


def test_dc_augments_mnist_and_its_network_with_batch_normalisation_alone() -> None:
    assert changes("dc", "cifar10") == changes("dc", "fashion_mnist") == changes("dc", "svhn_cropped") == set()
    assert changes("dc", "cifar10", "resnet18") == changes("dc", "cifar10", "convnet") == set()
    assert changes("dc", "mnist") == changes("dc-soft", "mnist") == {"crop", "scale", "rotate"}
    assert changes("dc", "cifar10", "convnet-batch") == changes("dc", "mnist", "convnet-batch") == {"crop", "noise"}


def test_dc_trains_longer_where_it_augments() -> None:
    # range(Epoch + 1), and a tenth of the rate after the epoch of index Epoch // 2 + 1.
    for plain, epochs, full in ((recipe("dc", "cifar10"), 301, 152), (recipe("dc", "mnist"), 1001, 502)):
        assert [plain.num_steps(size) for size in (10, 256, 257)] == [epochs, epochs, 2 * epochs]
        assert [plain.full_steps(size) for size in (10, 257)] == [full, 2 * full]
    assert recipe("dc", "cifar10", "convnet-batch").epochs == recipe("dsa", "cifar10").epochs == 1001


def test_dc_and_dsa_share_their_optimiser() -> None:
    for name in ("dc", "dsa"):
        found = PROTOCOLS[name]
        assert (found.learning_rates[0], found.weight_decays[0], found.recipe.batch) == (0.01, 5e-4, 256)
        assert (found.recipe.loss, found.recipe.optimiser, found.recipe.schedule) == (
            "cross_entropy",
            "momentum",
            "half",
        )
        assert found.network == "convnet-instance"


def test_dsa_does_not_mirror_digits() -> None:
    whole = {"color", "crop", "cutout", "flip", "scale", "rotate"}
    assert changes("dsa", "cifar10") == changes("dsa", "fashion_mnist") == changes("dsa", "cifar100") == whole
    for digits in ("mnist", "svhn_cropped", "digits"):
        assert changes("dsa", digits) == changes("dsa-quick", digits) == whole - {"flip"}


def test_frepo_does_not_mirror_grey_sets() -> None:
    whole = {"flip", "color", "crop", "rotate", "translate", "cutout"}
    assert changes("frepo", "cifar10") == changes("frepo", "svhn_cropped") == whole
    assert changes("frepo", "mnist") == changes("frepo", "fashion_mnist") == whole - {"flip"}


def test_frepo_takes_steps_by_the_size_of_the_set() -> None:
    sizes = {10: 1000, 100: 2000, 200: 20000, 400: 5000, 500: 5000, 1000: 10000, 2000: 40000, 5000: 40000}
    assert {size: PROTOCOLS["frepo"].recipe.num_steps(size) for size in sizes} == sizes
    assert (PROTOCOLS["frepo"].learning_rates[0], PROTOCOLS["frepo"].recipe.warmup) == (3e-4, 500)
    assert (PROTOCOLS["frepo"].recipe.batch, PROTOCOLS["frepo"].recipe.optimiser) == (500, "adam")


def test_dd_ranking_steps_down_once_and_searches_five_rates() -> None:
    found = PROTOCOLS["dd-ranking"]
    assert sorted(found.learning_rates) == [0.001, 0.005, 0.01, 0.05, 0.1]
    assert (found.recipe.epochs, found.recipe.batch, found.recipe.schedule) == (1000, 128, "step")
    assert (found.learning_rates[0], found.weight_decays, found.network) == (0.01, (5e-4,), "convnet-instance")
    assert changes("dd-ranking", "cifar10") == changes("dsa", "cifar10")
    assert found.toggled().recipe.augmentation is None
    assert PROTOCOLS["dc"].toggled().recipe.augmentation == PROTOCOLS["dsa"].recipe.augmentation


def test_kip_takes_five_thousand_steps_of_a_hundred_images() -> None:
    found = PROTOCOLS["kip"]
    assert (found.recipe.num_steps(10), found.recipe.num_steps(500), found.recipe.batch) == (5000, 5000, 100)
    assert (found.recipe.loss, found.recipe.optimiser, found.recipe.schedule) == ("mse", "momentum", "cosine")


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name.endswith("-quick")])
def test_a_quick_protocol_is_not_longer_for_any_data(name: str) -> None:
    for dataset in ("mnist", "cifar10"):
        assert recipe(name, dataset, "convnet-batch").num_steps(10) <= 500
