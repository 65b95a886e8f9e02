"""The house rules: who imports whom, what loads what, and how long files and functions are."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
# Each folder and the package that it is: one import root, whose folder is distill/.
PACKAGES = {
    "pipeline": "kerneldistill.pipeline",
    "kernels": "kerneldistill.kernels",
    "distill": "kerneldistill",
}
FOLDERS = (*PACKAGES, "scripts", "tests")

# Imports run one way. A folder may import itself, these, and what other people make except the banned.
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
# Files that may import a banned package all the same, inside functions, so that it loads when it is needed.
MAY_TAKE = {"distill/bundle/formats/tfds_export.py": {"tensorflow_datasets"}}
# The modules that subclass Beam's classes; all others import it inside functions, if at all.
BEAM_MODULES = {"pipeline/job/combine.py", "pipeline/job/transforms.py"}
HEAVY = ("apache_beam", "tensorflow", "tensorflow_datasets", "jax", "orbax", "matplotlib")

# The ground that every package stands on: it imports nothing.
GROUND = "kerneldistill.errors"

FILE_LINES = 300
FUNCTION_LINES = 45

# Floors of distill/: a package may import those on lower floors, and none beside it.
FLOORS = (
    {"errors"},
    {"config", "runtime"},
    {"algorithms"},
    {"bundle", "evaluation"},
    {"runs"},
    {"report"},
    {"api"},
    {"zoo"},
    {"cli"},
    {"__main__"},
)


class Import(NamedTuple):
    """name: the whole dotted name as written, symbols excluded. at_top: whether at module level."""

    name: str
    at_top: bool

    @property
    def package(self) -> str:
        """The top-level package, or the folder of ours."""
        parts = self.name.split(".")
        if parts[0] != "kerneldistill":
            return parts[0]
        return parts[1] if parts[1:] and parts[1] in PACKAGES else "distill"


def files(*folders: str) -> list[str]:
    """Every Python file in some folders, relative to the root."""
    return sorted(str(file.relative_to(ROOT)) for folder in folders for file in (ROOT / folder).rglob("*.py"))


def module_name(file: str) -> str:
    """The dotted name by which a file in one of PACKAGES is imported."""
    folder, *rest = Path(file).with_suffix("").parts
    return ".".join([PACKAGES[folder], *(part for part in rest if part != "__init__")])


MODULES = {module_name(file) for file in files(*PACKAGES)}


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
            for alias in node.names:
                yield Import(whole_name(node.module or "", alias.name), id(node) not in inside)


def whole_name(module: str, name: str) -> str:
    """`module.name` if that is a module of ours, `module` if `name` is a symbol in it."""
    return f"{module}.{name}" if f"{module}.{name}" in MODULES else module


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def test_there_is_something_to_check() -> None:
    assert {file.split("/")[0] for file in files(*PACKAGES)} == set(PACKAGES)
    assert {"distill", "numpy"} <= {found.package for file in files("distill") for found in imports(file)}


def test_imports_run_one_way() -> None:
    for file in files(*PACKAGES, "scripts"):
        package = file.split("/")[0]
        ours = {found.package for found in imports(file) if found.name != GROUND} & {*FOLDERS}
        assert ours <= MAY_IMPORT[package] | {package}, file


def test_the_ground_imports_nothing() -> None:
    (file,) = (file for file in files("distill") if module_name(file) == GROUND)
    assert not list(imports(file))


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
    assert loaded_by("kerneldistill", "kerneldistill.pipeline") == "[]"


def test_what_distill_takes_of_the_pipeline_is_free_of_beam() -> None:
    taken = {found.name for file in files("distill") for found in imports(file) if found.package == "pipeline"}
    assert taken
    assert loaded_by(*sorted(taken)) == "[]"


def test_the_wheel_lists_every_package() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert set(listed) == {module_name(file) for file in files(*PACKAGES) if file.endswith("__init__.py")}


def test_only_the_import_root_is_used() -> None:
    # pytest puts the checkout on sys.path, so `import kernels` finds our folder, on no user's machine.
    for file in files(*FOLDERS):
        assert not {found.name.split(".")[0] for found in imports(file)} & set(PACKAGES), file


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


def test_distill_has_few_floors_and_no_stairs_up() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    rooms = (path for path in (ROOT / "distill").iterdir() if path.is_dir() or path.suffix == ".py")
    assert set(floor) == {room.stem for room in rooms} - {"__init__", "__pycache__"}
    for file in files("distill"):
        own = Path(file).parts[1].removesuffix(".py")
        for found in imports(file):
            parts = found.name.split(".")
            if found.package == "distill" and len(parts) > 1 and own != "__init__" and parts[1] != own:
                assert floor[parts[1]] < floor[own], f"{file} imports {found.name}"


def test_no_circle_of_modules() -> None:
    """Imports at module level, packages' `__init__` included, form no circle."""
    below = {
        module_name(file): {found.name for found in imports(file) if found.at_top} & MODULES - {module_name(file)}
        for file in files(*PACKAGES)
    }
    while leaves := {name for name, taken in below.items() if not taken}:
        below = {name: taken - leaves for name, taken in below.items() if name not in leaves}
    assert not below, f"these import each other: {sorted(below)}"
