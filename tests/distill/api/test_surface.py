"""What `import kerneldistill as kd` gives."""

import inspect
import subprocess
import sys

import pytest

import kerneldistill as kd


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for name in kd.__all__:
        found = getattr(kd, name)
        assert inspect.getdoc(found), name
        assert name in dir(kd)


def test_the_type_checker_sees_the_names_that_the_program_gives() -> None:
    source = inspect.getsource(kd)
    seen = source.split("if TYPE_CHECKING:")[1].split("__all__")[0]
    for name in set(kd.__all__) - {"UserError"}:
        assert f" {name}," in seen or f" {name}\n" in seen, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'destill'"):
        kd.destill  # noqa: B018


def test_settings_load_neither_jax_nor_pydantic() -> None:
    code = "import sys, kerneldistill as kd; kd.Config; kd.KernelConfig; print({'jax', 'pydantic'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
