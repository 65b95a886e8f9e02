"""The house rules: who imports whom, what loads what, and how long files and functions are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "kernels", "distill")
FOLDERS = (*PACKAGES, "scripts", "tests")

# Imports run one way. A package may import itself, these, and what other people make except the banned.
MAY_IMPORT = {
    "pipeline": set(),
    "kernels": set(),
    "distill": {"kernels", "pipeline"},
    "scripts": {"distill", "kernels", "pipeline"},
}
BANNED = {
    "pipeline": {"jax", "jaxlib", "optax", "orbax"},
    "kernels": {"apache_beam", "etils", "optax", "orbax", "sklearn", "tensorflow", "tensorflow_datasets"},
    "distill": {"apache_beam", "sklearn", "tensorflow", "tensorflow_datasets"},
}
# What takes one of them all the same: inside its functions, so that it is loaded when it is asked for.
MAY_TAKE = {"distill/formats/tfds.py": {"tensorflow_datasets"}}
# The modules in which Beam's classes are subclassed; all others import it inside functions, if at all.
BEAM_MODULES = {"pipeline/combine.py", "pipeline/stages.py"}
HEAVY = ("apache_beam", "tensorflow", "tensorflow_datasets", "jax", "orbax")

FILE_LINES = 300
FUNCTION_LINES = 45


class Import(NamedTuple):
    """name: the top-level name imported, and below it as far as it is written. at_top: whether at module level."""

    name: str
    at_top: bool

    @property
    def package(self) -> str:
        return self.name.split(".")[0]


def files(*folders: str) -> list[str]:
    """Every Python file in some folders, relative to the root."""
    return sorted(str(file.relative_to(ROOT)) for folder in folders for file in (ROOT / folder).rglob("*.py"))


def tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def imports(file: str) -> Iterator[Import]:
    """Every absolute import of a file; relative ones are not used here."""
    nodes = list(ast.walk(tree(file)))
    inside = {id(inner) for node in nodes if is_function(node) for inner in ast.walk(node)}
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, id(node) not in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write the whole path, the path is the import"
            yield Import(node.module or "", id(node) not in inside)


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def test_there_is_something_to_check() -> None:
    assert {file.split("/")[0] for file in files(*PACKAGES)} == set(PACKAGES)
    assert {"distill", "numpy"} <= {found.package for file in files("distill") for found in imports(file)}


def test_imports_run_one_way() -> None:
    for file in files(*PACKAGES, "scripts"):
        package = file.split("/")[0]
        ours = {found.package for found in imports(file)} & {*FOLDERS}
        assert ours <= MAY_IMPORT[package] | {package}, file


def test_packages_keep_to_their_libraries() -> None:
    for file in files(*PACKAGES):
        banned = BANNED[file.split("/")[0]]
        taken = {found for found in imports(file) if found.package in banned}
        assert {found.package for found in taken} <= MAY_TAKE.get(file, set()), file
        assert not any(found.at_top for found in taken), file


def test_beam_is_imported_at_the_top_only_where_its_classes_are_extended() -> None:
    at_top = {file: {found.package for found in imports(file) if found.at_top} for file in files("pipeline")}
    assert {file for file, names in at_top.items() if "apache_beam" in names} == BEAM_MODULES
    assert not [file for file, names in at_top.items() if "tensorflow" in names]


def loaded_by(*modules: str) -> str:
    """The heavy libraries in a process that has imported only these modules."""
    code = f"import sys, {', '.join(modules)}\nprint([name for name in {HEAVY} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return answer.stdout.strip()


def test_importing_the_packages_loads_nothing_heavy() -> None:
    assert loaded_by("distill", "pipeline") == "[]"


def test_what_distill_takes_of_the_pipeline_is_free_of_beam() -> None:
    taken = {found.name for file in files("distill") for found in imports(file) if found.package == "pipeline"}
    assert taken
    assert loaded_by(*sorted(taken)) == "[]"


def test_the_package_names_are_ours_alone() -> None:
    try:
        metadata.distribution("kerneldistill")
    except metadata.PackageNotFoundError:
        pytest.skip("kerneldistill is not installed here, so its names can clash with nothing")
    owners = metadata.packages_distributions()
    for name in PACKAGES:
        assert set(owners[name]) == {"kerneldistill"}, (
            f"{name} is also installed by {owners[name]}: use an own environment"
        )


def test_files_and_functions_are_short() -> None:
    long = []
    for file in files(*FOLDERS):
        long += [file] * (len((ROOT / file).read_text(encoding="utf-8").splitlines()) > FILE_LINES)
        for node in filter(is_function, ast.walk(tree(file))):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            long += [f"{file}: {node.name}"] * (bool(body) and node.end_lineno - body[0].lineno >= FUNCTION_LINES)
    assert long == []


def test_test_folders_are_no_packages() -> None:
    # With an __init__.py, tests/kernels would be imported as `kernels` in pytest's other import modes.
    assert not [file for file in files("tests") if file.endswith("__init__.py")]
