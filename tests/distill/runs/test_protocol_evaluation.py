"""`kdistill evaluate --protocol` on a finished run and on its bundle, as a user gives it."""

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from kerneldistill.bundle.reader import read_bundle
from kerneldistill.cli.main import main
from kerneldistill.evaluation import protocols
from kerneldistill.evaluation.protocols import PROTOCOLS
from kerneldistill.runs import protocol_evaluation, stages
from kerneldistill.runs.completion import run_is_done
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.protocol_evaluation import stored_protocols
from kerneldistill.runs.results import Results
from kerneldistill.runs.verify import find_problems
from kerneldistill.runtime import devices

pytestmark = pytest.mark.usefixtures("optax_may_promote")


@pytest.fixture
def rundir(finished: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A copy of a finished run, and `dc` with a network and steps of next to nothing."""
    shutil.copytree(finished.path, tmp_path / "run")
    quick = replace(PROTOCOLS["dc"], network="mlp-w8-d1", recipe=replace(PROTOCOLS["dc"].recipe, epochs=5))
    small = MappingProxyType({**PROTOCOLS, "dc": quick})
    for module in (protocols, protocol_evaluation):
        monkeypatch.setattr(module, "PROTOCOLS", small)
    monkeypatch.setattr(devices, "setup", lambda: None)
    return RunDir(tmp_path / "run")


def test_a_run_is_judged_and_its_results_grow(rundir: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    before = Results.load(rundir.results_file)
    networks = ["--networks", "same", "mlp-w8-d1"]
    assert main(["evaluate", str(rundir.path), "--protocol", "krr", "dc", "--seeds", "2", *networks]) == 0
    written = capsys.readouterr()
    results = Results.load(rundir.results_file)
    assert replace(results, protocols=()) == before
    assert [(r.protocol, r.network) for r in results.protocols] == [
        ("krr", "fc d1 ntk"),
        ("dc", "mlp-w8-d1"),
    ]
    own, dc = results.protocols
    assert own.learned.accuracies == (before.learned.accuracy,)
    assert [s.accuracy for s in own.random_real.scores] == [measured.accuracy for measured in before.random_real]
    assert dc.seeds == (0, 1)
    assert "digits: test accuracy of networks fitted to 10 images" in written.out
    assert "dc, mlp-w8-d1, random real images, lr" in written.err
    # The bundle has them, and the run is as done as it was.
    assert run_is_done(rundir.config(), rundir)
    assert list(find_problems(rundir.path)) == []
    assert [found["protocol"] for found in read_bundle(rundir.bundle).results["protocols"]] == ["krr", "dc"]
    # Measured again without protocols: what was found stays.
    assert main(["evaluate", str(rundir.path)]) == 0
    assert Results.load(rundir.results_file) == results
    # Nothing is trained twice.
    capsys.readouterr()
    assert main(["evaluate", str(rundir.path), "--protocol", "dc", "--seeds", "2"]) == 0
    assert "seed" not in capsys.readouterr().err
    assert Results.load(rundir.results_file).protocols[-1] == dc


def test_a_bundle_that_could_not_be_written_anew_is_named(
    rundir: RunDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(rundir: RunDir) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(rundir.bundle))

    args = ["evaluate", str(rundir.path), "--protocol", "krr"]
    with monkeypatch.context() as patched:
        patched.setattr(stages, "export", full)
        assert main(args) == 2
    assert "No space left on device; make room there" in capsys.readouterr().err
    assert main(args) == 0
    remedy = f"kdistill export {rundir.path}"
    assert f"; the bundle is older: {remedy} makes it anew" in capsys.readouterr().err
    assert main(remedy.split()[1:]) == 0
    assert list(find_problems(rundir.path)) == []
    assert main(args) == 0
    assert "and to the bundle where there is one" in capsys.readouterr().err


def test_a_bundle_is_judged_beside_itself(rundir: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["evaluate", str(rundir.bundle), "--protocol", "krr", "--seeds", "1"]
    assert main(args) == 2
    assert "name a prepared data set with --prepared DIR" in capsys.readouterr().err
    assert main([*args, "--prepared", str(rundir.prepared)]) == 0
    file = rundir.path / "bundle-evaluation" / "protocols.json"
    truth = json.loads(rundir.results_file.read_bytes())["learned"]["accuracy"]
    assert stored_protocols(file)[0].learned.mean == pytest.approx(truth, abs=0.01)
    assert str(file) in capsys.readouterr().err
    file.write_text("[{}]")
    assert main([*args, "--prepared", str(rundir.prepared)]) == 2
    assert "protocols.json is damaged" in capsys.readouterr().err
    assert main(["evaluate", str(rundir.bundle)]) == 2
    assert "say how it is judged with --protocol" in capsys.readouterr().err


def test_networks_too_deep_for_the_images_are_refused_at_once(rundir: RunDir, capsys) -> None:
    args = ["evaluate", str(rundir.path), "--protocol", "krr", "dc", "--networks", "convnet-d4"]
    assert main(args) == 2
    error = capsys.readouterr().err
    assert "halves images 4 times, but they are 8x8 pixels: name convnet instead" in error
    assert error.count("\n") == 1
