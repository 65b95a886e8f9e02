"""Networks by name: what a name means, how it is written, and what is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerneldistill.errors import UserError
from kerneldistill.evaluation.network_spec import FAMILIES, NetworkSpec, network_spec


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("convnet-instance", NetworkSpec("convnet", "instance", 128, 3)),
        ("convnet-w32-d2", NetworkSpec("convnet", "none", 32, 2)),
        ("kip-convnet", NetworkSpec("kip-convnet", "none", 1024, 3)),
        ("mlp-d1", NetworkSpec("mlp", "none", 128, 1)),
        ("kip-resnet18-w64", NetworkSpec("kip-resnet18", "none", 64, 18)),
        ("kip-vit-d12", NetworkSpec("kip-vit", "none", 192, 12)),
        ("resnet18-instance-w16", NetworkSpec("resnet18", "instance", 16, 4)),
    ],
)
def test_a_name_is_a_network(name: str, spec: NetworkSpec) -> None:
    assert network_spec(name) == spec
    assert spec.name == name


@given(st.data())
def test_every_network_is_found_by_its_name(data: st.DataObject) -> None:
    family = data.draw(st.sampled_from(list(FAMILIES)))
    depth = FAMILIES[family].depth if FAMILIES[family].fixed else data.draw(st.integers(1, 99))
    spec = NetworkSpec(
        family, data.draw(st.sampled_from(FAMILIES[family].norms)), data.draw(st.integers(1, 99999)), depth
    )
    assert network_spec(spec.name) == spec


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg19", "--networks has 'vgg19', did you mean vgg11?"),
        ("convnet-w0", "did you mean convnet?"),
        ("convnet-instance-w32 ", "did you mean convnet-instance?"),
        ("mlp-batch", "--networks has 'mlp-batch', but a mlp has the norms none"),
        ("resnet18-d3", "a resnet18 has one depth: leave -d3 out"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        network_spec(name)


@pytest.mark.parametrize(
    ("name", "side", "remedy"),
    [
        ("convnet", 7, "name convnet-d2 instead"),
        ("kip-convnet-w8", 5, "name kip-convnet-w8-d2 instead"),
        ("convnet-d1", 1, "name mlp instead"),
        ("resnet18", 6, "name mlp instead"),
    ],
)
def test_small_images_are_refused_with_a_network_that_takes_them(name: str, side: int, remedy: str) -> None:
    spec = network_spec(name)
    spec.check_image((2**spec.halvings, 99, 1))
    with pytest.raises(UserError, match=f"halves images {spec.halvings} times, but they are {side}x9.*{remedy}"):
        spec.check_image((side, 9, 1))
