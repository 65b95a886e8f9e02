"""The grammar that all commands share: flags, switches, lists, and how little is told."""

import pytest

from kerneldistill.cli.main import main
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.pipeline.sources.notes import note
from kerneldistill.runs.conduct import Conduct
from kerneldistill.runs.directory import RunDir
from kerneldistill.runtime.console import closing_table, tell
from kerneldistill.runtime.progress import activity

Calls = list[tuple[object, ...]]


def test_unknown_flags_are_refused_with_a_suggestion(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "digits", "--optim.step", "3"]) == 2
    said = "kdistill: error: --optim.step is no flag of kdistill run: did you mean --optim.steps?\n"
    assert capsys.readouterr().err == said
    assert main(["distill", "digits", "--pipeline-options", "a=1"]) == 2
    assert calls == []


def test_switches_lists_and_none_have_one_grammar(calls: Calls) -> None:
    flags = ["--kernel.no-prepend", "--support.learn-labels", "--kernel.global-pool", "--krr.first-ridge", "None"]
    assert main(["run", "digits", *flags, "--augment.names", "flip", "crop", "--optim.clip=None"]) == 0
    config = calls[-1][1]
    assert isinstance(config, Config)
    assert (config.kernel.prepend, config.support.learn_labels, config.kernel.global_pool) == (False, True, True)
    assert (config.krr.first_ridge, config.optim.clip, config.augment.names) == (None, None, ("flip", "crop"))
    assert main(["run", "digits", "--dir", "other", "--kernel.no-global-pool"]) == 0
    other = calls[-1][1]
    assert isinstance(other, Config)
    assert other.kernel.global_pool is False


def test_quiet_leaves_results_and_mistakes(
    calls: Calls, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(config: Config, rundir: RunDir, conduct: Conduct) -> None:
        with activity("learning"):
            tell("a step")
        note(f"a guess about {rundir.path}")
        closing_table("results", ("a", "b"), [("c", "d")])
        raise UserError("a mistake")

    monkeypatch.setattr("kerneldistill.runs.stages.run", run)
    assert main(["run", "digits", "--quiet"]) == 2
    written = capsys.readouterr()
    assert written.err == "kdistill: error: a mistake\n"
    assert written.out.startswith("results\n")
    assert main(["run", "digits", "--dir", "loud"]) == 2
    assert "a step" in capsys.readouterr().err
