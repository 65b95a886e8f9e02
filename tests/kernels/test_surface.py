"""What users import: light, complete, and shown by examples that run."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from kerneldistill import kernels
from kerneldistill.kernels.activations import ACTIVATIONS
from kerneldistill.kernels.architectures import ARCHITECTURES
from kerneldistill.kernels.names import ActivationName, NetworkName

README = Path(__file__).parents[2] / "kernels" / "README.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)


def test_importing_the_package_loads_neither_jax_nor_numpy() -> None:
    code = "import sys, kerneldistill.kernels, kerneldistill.kernels.names\nprint({'jax', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_every_name_is_there() -> None:
    assert sorted(kernels.__all__) == sorted(kernels._MODULES)
    assert all(getattr(kernels, name) is not None for name in kernels.__all__)
    assert set(kernels.__all__) <= set(dir(kernels))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kernels.nothing  # noqa: B018


def test_every_name_of_an_activation_or_network_has_its_row() -> None:
    assert tuple(ACTIVATIONS) == get_args(ActivationName)
    assert tuple(ARCHITECTURES) == get_args(NetworkName)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_the_readme_runs(snippet: str) -> None:
    names: dict[str, object] = {}
    exec(compile(snippet, str(README), "exec"), names)
    if "theta" in names:
        assert [names[name].shape for name in ("gradient", "k_ts", "theta")] == [(3, 8, 8, 1), (4, 3), (3, 2, 4, 2)]


def test_the_readme_has_snippets_and_is_short() -> None:
    assert len(SNIPPETS) == 2
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 190
