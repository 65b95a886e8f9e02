"""A user's own data, without a preset: what is found out, and what each mistake is told."""

from pathlib import Path

import numpy as np
import pytest

from kerneldistill.cli.invocation import Call
from kerneldistill.cli.main import main
from kerneldistill.cli.run_arguments import RunJob, parse_job


def test_own_data_need_no_preset(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    file = tmp_path / "mine.npz"
    np.savez(file, x=np.zeros((6, 8, 8), np.uint8), y=np.arange(6) % 2)
    caplog.set_level("INFO")
    job = parse_job(Call("run", ["--data.dir", str(file), "--support.size", "4"], "kdistill run", ""), RunJob)
    assert (job.settings.data.name, job.settings.data.source, job.settings.support.size) == ("mine", "npz", 4)
    assert job.folder == Path("runs", "mine")
    told = f"{file} is read as arrays in .npz or .npy files: --data.source npz --data.name mine"
    assert [record.message for record in caplog.records] == [told]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "data.dir is not set; name your data with --data.dir PATH"),
        (["{folder}"], "leave out the preset and give --data.dir {folder}"),
        (["--data.dir", "{folder}"], "data.dir is {folder}, which holds nothing that is read; allowed: pictures"),
        (
            ["digits", "--data.dir", "{folder}"],
            "digits comes with scikit-learn and reads no folder: leave out",
        ),
    ],
)
def test_own_data_that_are_none(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["prepare", *(word.format(folder=tmp_path) for word in words), "--out", str(tmp_path / "out")]) == 2
    assert message.format(folder=tmp_path) in capsys.readouterr().err
