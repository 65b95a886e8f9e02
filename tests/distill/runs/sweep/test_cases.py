"""A sweep file: what cases it means, how they are called, and what is refused."""

from pathlib import Path

import pytest

from kerneldistill.errors import UserError
from kerneldistill.runs.sweep.cases import Case, cases_of
from tests.helpers.settings import resolve

WHOLE = """
preset = "digits"
[set]
optim.steps = 7
[[grid]]
data.whiten = ["standard", "kip_zca"]
"support.size" = [10, 20]
[grid.support]
learn_labels = [true]
[[grid]]
preset = ["cifar10-fc1", "cifar10-convnet-1"]
data.dir = ["/data/sets"]
[[case]]
command = "label-solve"
augment.names = ["flip", "crop"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def read(file: Path, text: str) -> list[Case]:
    file.write_text(text)
    return cases_of(file)


def test_grids_are_products_and_cases_follow(file: Path) -> None:
    cases = read(file, WHOLE)
    assert [case.name for case in cases] == [
        "digits,whiten=standard,size=10,learn_labels=true",
        "digits,whiten=standard,size=20,learn_labels=true",
        "digits,whiten=kip_zca,size=10,learn_labels=true",
        "digits,whiten=kip_zca,size=20,learn_labels=true",
        "cifar10-fc1,dir=sets",
        "cifar10-convnet-1,dir=sets",
        "digits,label-solve,names=flip+crop",
    ]
    flags = ["--optim.steps", "7", "--data.whiten", "kip_zca", "--support.size", "20", "--support.learn-labels"]
    assert cases[3] == Case(cases[3].name, "run", "digits", resolve("digits", flags=flags))
    assert cases[5].config == resolve("cifar10-convnet-1", flags=["--optim.steps", "7", "--data.dir", "/data/sets"])
    assert (cases[6].command, cases[6].config.augment.names) == ("label-solve", ("flip", "crop"))


def test_equal_cases_are_one(file: Path) -> None:
    text = (
        'preset = "digits"\n[grid]\nsupport.size = [10, 20]\n[[case]]\nsupport.size = 20\n[[case]]\noptim.steps = 80\n'
    )
    # Ten images and eighty steps are the preset's.
    assert [case.config.support.size for case in read(file, text)] == [10, 20]


def test_one_configuration_by_two_methods_is_two_cases(file: Path) -> None:
    cases = read(file, 'preset = "digits"\n[grid]\ncommand = ["run", "label-solve"]\n')
    assert [case.name for case in cases] == ["digits", "digits,label-solve"]


def test_values_that_no_folder_should_be_called_by_are_written_otherwise_and_stay_apart(file: Path) -> None:
    cases = read(file, 'preset = "digits"\n[grid]\ndata.train_split = ["train[:80%]", "train[:80]", "a/b/train"]\n')
    first, second, third = (case.name for case in cases)
    assert (first, third) == ("digits,train_split=train-80-", "digits,train_split=train")
    assert second.startswith("digits,train_split=train-80-,")
    assert len({first, second, third}) == 3


def test_a_case_is_called_as_it_says(file: Path) -> None:
    (case,) = read(file, 'preset = "digits"\n[[case]]\nname = "solved-10"\ncommand = "label-solve"\n')
    assert (case.name, case.command) == ("solved-10", "label-solve")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('preset = "digits"\n[[case]]\nname = "../up"\n', r"name is '\.\./up', allowed is at most 40 of"),
        ('preset = "digits"\n[[case]]\nname = 3\n', "name is 3, allowed is at most 40 of"),
        ("", "has no case: add a"),
        ('preset = "digits"\n', "has no case: add a"),
        ("preset = [", "is not TOML"),
        ("[[case]]\nsupport.size = 10\n", "preset is missing: set it at the top"),
        ('[[case]]\npreset = "dgits"\n', "PRESET is 'dgits', did you mean digits"),
        ('preset = "digits"\n[[case]]\ncommand = "prepare"\n', "command is 'prepare', allowed are: run, label-solve"),
        ('preset = "digits"\n[grid]\nsupport.size = 10\n', r"grid\.support\.size is 10, allowed is a list of values"),
        ('preset = "digits"\n[grid]\nsupport.size = []\n', r"grid\.support\.size is \[\], allowed is a list of values"),
        ('preset = "digits"\n[support]\nsize = 10\n', "support is not a part of a sweep, allowed are: preset, command"),
        ('preset = "digits"\nset = 3\n', "set is 3, allowed is a table"),
        ('preset = "digits"\ncase = [1]\n', r"case is \[1\], allowed is a table"),
        ("preset = 3\n[[case]]\n", "preset is 3, allowed is a text"),
        ('preset = "digits"\n[[case]]\nsupport.sizes = 10\n', r"case {'support\.sizes': 10}: .*sizes is not a setting"),
        (
            'preset = "digits"\n[[case]]\nsupport.size = "ten"\n',
            r"support\.size is 'ten', allowed is a whole number",
        ),
        ('preset = "digits"\n[[case]]\nsupport.size = 0\n', r"case {'support\.size': 0}: support\.size is 0"),
        ('preset = "cifar10-fc1"\n[[case]]\nseed = 1\n', r"data\.dir is not set"),
    ],
)
def test_mistakes_name_the_file_and_the_case(file: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(file, text)
    assert "mine.toml" in str(caught.value) or "PRESET" in str(caught.value)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.toml cannot be read"):
        cases_of(file)
