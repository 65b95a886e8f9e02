"""Test `kdistill verify` and `kdistill prepare --out`."""

import shutil

from kerneldistill.cli.main import main
from kerneldistill.runtime.signals import MISTAKE


def test_verify_says_all_is_well(prepared_digits, capsys):
    assert main(["verify", str(prepared_digits)]) == 0
    out, err = capsys.readouterr()
    assert out.endswith(
        "1,297 train, 140 validation, 360 test images of 8x8x1, whitened by 'standard', 0 bad: all as it was written\n"
    )
    assert err == ""


def test_verify_names_every_problem(own_digits, capsys):
    (own_digits / "stray").write_text("")
    (own_digits / "probe.npy").unlink()
    assert main(["verify", str(own_digits)]) == MISTAKE
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert "probe.npy is missing" in lines[0]
    assert "stray is not of this data set" in lines[1]
    assert lines[2].endswith("has 2 problems, named above")


def test_verify_says_what_it_is_not_for(tmp_path, capsys):
    assert main(["verify", str(tmp_path / "none")]) == MISTAKE
    assert "which is not there: give a run, a bundle or prepared data" in capsys.readouterr().err


def test_prepare_alone(prepared_digits, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(prepared_digits, out)  # complete already: nothing is built
    assert main(["prepare", "digits", "--data.batch-size", "600", "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: digits 1.0.0, 1,297 train")
    assert main(["prepare", "digits", "--out", str(out), "--dir", str(tmp_path / "run")]) == MISTAKE
    assert "allowed is one of them" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
