"""A run that learns at coarser levels first is one run: it carries over, resumes bit for bit, and says where it is."""

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kerneldistill as kd
from kerneldistill.config.schema import Config, SupportConfig
from kerneldistill.errors import UserError
from kerneldistill.report.document import Beside, Chart
from kerneldistill.report.report_entry import Absent, entry_of_run
from kerneldistill.report.sections.learning import learning
from kerneldistill.runs import coarse_run, initial_support, stages
from kerneldistill.runs.completion import Stages
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.planning.precedent import precedent_of
from kerneldistill.runs.results import Results
from kerneldistill.runs.status import as_text, status_of
from kerneldistill.runs.training.checkpoints import Checkpoints
from kerneldistill.runs.training.metrics import TIMING, MetricsLog
from kerneldistill.runs.verify import find_problems
from tests.helpers.tiny_run import Stopper

pytestmark = pytest.mark.usefixtures("optax_may_promote")


class KilledError(BaseException):
    """What no part of the program catches."""


@pytest.fixture(scope="module")
def config(small: Config) -> Config:
    """Digits at 4x4, then at 8x8 through the NNGP, then at 8x8; few steps each, the images' labels learned."""
    optim = replace(small.optim, steps=4, learning_rate=0.02)
    levels = ("4,optim.steps=8,optim.learning_rate=0.1", "kernel.get=nngp,optim.steps=3")
    return replace(small, support=SupportConfig(10, learn_labels=True), optim=optim, coarse=levels)


@pytest.fixture(scope="module")
def prepared(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory in which nothing is learned yet."""
    rundir = RunDir(tmp_path_factory.mktemp("coarse") / "run")
    with rundir.open(config):
        stages.prepare(config, rundir)
    return rundir.path


@pytest.fixture(scope="module")
def learned(config: Config, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """The same, run to its end. Do not change it: copy it."""
    import jax

    rundir = copied(prepared, tmp_path_factory.mktemp("learned") / "run")
    with jax.numpy_dtype_promotion("standard"), rundir.open(config):
        stages.run(config, rundir)
    return rundir


def copied(folder: Path, to: Path) -> RunDir:
    return RunDir(Path(shutil.copytree(folder, to, symlinks=True)))


def records(rundir: RunDir) -> list[dict[str, float]]:
    return [
        {name: value for name, value in record.items() if name not in TIMING}
        for record in MetricsLog(rundir.metrics_file).read()
    ]


def levels_of(rundir: RunDir) -> list[RunDir]:
    return [rundir.coarse.coarse, rundir.coarse, rundir]


def test_each_level_is_prepared_once(prepared: Path) -> None:
    coarsest, same_size, run = levels_of(RunDir(prepared))
    shapes = [kd.load_prepared(level.prepared).manifest.image_shape for level in (coarsest, same_size, run)]
    assert shapes == [(4, 4, 1), (8, 8, 1), (8, 8, 1)]
    assert same_size.prepared.is_symlink()
    assert same_size.prepared.resolve() == run.prepared.resolve()
    assert [level.config().coarse for level in (coarsest, same_size, run)] == [
        (),
        *(run.config().coarse[:n] for n in (1, 2)),
    ]


def test_what_was_learned_carries_over(learned: RunDir, config: Config) -> None:
    coarsest, same_size, run = levels_of(learned)
    validated = [
        [r["validation_accuracy"] for r in records(level) if "validation_accuracy" in r]
        for level in (coarsest, same_size, run)
    ]
    results = Results.load(run.results_file)
    random = float(np.mean([measured.accuracy for measured in results.random_real]))
    assert max(validated[0]) > validated[0][0] + 0.05
    # Brought up and through another kernel it starts near where it ended, far above real images.
    assert validated[1][0] > max(validated[0]) - 0.1
    assert results.start.accuracy > random + 0.1
    assert results.learned.accuracy > random + 0.1
    assert results.began_as == "learned at a coarser level"
    assert Outcome.load(run.outcome_file).label_mode == "learned"
    assert run.bundle.is_dir()
    assert not any(level.bundle.exists() or level.results_file.exists() for level in (coarsest, same_size))


def test_the_picture_shows_what_the_first_level_of_its_images_began_with(learned: RunDir) -> None:
    own, before = (Outcome.load(level.outcome_file) for level in (learned, learned.coarse))
    first = coarse_run.first_images(learned, own)
    assert np.array_equal(first, before.start.support.images)
    assert not np.allclose(first, own.start.support.images)


def test_images_of_another_size_are_not_its_first_where_all_data_are_shared_ones(
    learned: RunDir, tmp_path: Path
) -> None:
    rundir = copied(learned.path, tmp_path / "run")
    for level in (rundir, rundir.coarse.coarse):
        shared = tmp_path / f"shared-{len(level.path.parts)}"
        level.prepared.rename(shared)
        level.prepared.symlink_to(shared)
    first = coarse_run.first_images(rundir, Outcome.load(rundir.outcome_file))
    assert np.array_equal(first, Outcome.load(rundir.coarse.outcome_file).start.support.images)


def test_no_step_at_the_last_level_leaves_the_images_as_the_level_before_learned_them(
    config: Config, tmp_path: Path
) -> None:
    support = replace(config.support, refit="cross_entropy", refit_targets=200)
    config = replace(config, support=support, optim=replace(config.optim, steps=0))
    rundir = RunDir(tmp_path)
    with rundir.open(config):
        stages.run(config, rundir)
    own, before = (Outcome.load(level.outcome_file) for level in (rundir, rundir.coarse))
    assert own.step == 0
    assert np.array_equal(own.support.images, before.support.images)
    assert not np.allclose(own.support.labels, before.support.labels)
    rates = [
        r["entries_per_second"] for r in MetricsLog(rundir.coarse.metrics_file).read() if "entries_per_second" in r
    ]
    assert precedent_of(rundir).seconds_per_entry == 1 / np.median(rates)


def test_it_beats_a_run_of_as_many_steps_without_levels(learned: RunDir, config: Config, tmp_path: Path) -> None:
    plain = replace(config, coarse=())
    rundir = RunDir(tmp_path / "plain")
    with rundir.open(plain):
        shutil.copytree(learned.prepared, rundir.prepared)
        stages.distill(plain, rundir)
        stages.evaluate(rundir)
    with_levels, without = (Results.load(of.results_file) for of in (learned, rundir))
    assert with_levels.learned.mse < without.learned.mse
    assert with_levels.learned.accuracy > without.learned.accuracy


def test_time_goes_on_from_level_to_level_and_steps_do_not(learned: RunDir) -> None:
    of_levels = [MetricsLog(level.metrics_file).read() for level in levels_of(learned)]
    assert [[r["step"] for r in each] for each in of_levels] == [list(range(n + 1)) for n in (8, 3, 4)]
    for name in ("elapsed", "elapsed_processor"):
        times = [record[name] for each in of_levels for record in each]
        assert times == sorted(times)
        assert times[0] < times[-1]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_a_killed_run_goes_on_bit_for_bit_wherever_it_was(
    learned: RunDir, prepared: Path, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rundir, kills = copied(prepared, tmp_path / "run"), 0
    places = [
        *((MetricsLog, "append"), (Checkpoints, "save"), (Outcome, "save"), (Stages, "done")),
        *((initial_support, "save_start"), (initial_support, "start_from"), (coarse_run, "coarser")),
    ]
    for number in itertools.count():
        stopper = Stopper(int(rng.integers(1, 40)) if number < 5 else -1, KilledError)
        with monkeypatch.context() as patched:
            for owner, name in places:
                patched.setattr(owner, name, stopper.wrap(getattr(owner, name)))
            try:
                with rundir.open(config):
                    stages.distill(config, rundir)
                break
            except KilledError:
                kills += 1
    assert kills
    for found, truth in zip(levels_of(rundir), levels_of(learned), strict=True):
        assert found.outcome_file.read_bytes() == truth.outcome_file.read_bytes()
        assert records(found) == records(truth)


def test_a_kept_start_needs_the_levels_no_more(learned: RunDir, config: Config, tmp_path: Path) -> None:
    rundir = copied(learned.path, tmp_path / "run")
    for gone in (rundir.coarse.path, rundir.checkpoints, rundir.best):
        shutil.rmtree(gone)
    rundir.outcome_file.unlink()
    with rundir.open(config):
        stages.run(config, rundir)
    assert rundir.outcome_file.read_bytes() == learned.outcome_file.read_bytes()
    assert not rundir.coarse.path.exists()


def test_status_tells_the_level(learned: RunDir, prepared: Path, tmp_path: Path) -> None:
    text = as_text(status_of(learned.path))
    assert "level       4x4 fc d1 nngp: done, best" in text
    assert "level       fc d1 nngp: done, best" in text
    assert text.index("4x4") < text.index("level       fc") < text.index("steps ")
    rundir = copied(prepared, tmp_path / "run")
    log = MetricsLog(rundir.coarse.coarse.metrics_file)
    for step in range(4):
        log.append({"step": step, "elapsed": 2.0 * step, "validation_accuracy": 0.5, "validation_mse": 0.1})
    found = status_of(rundir.path)
    assert found.state == "interrupted"
    assert found.coarse is not None
    assert found.coarse.coarse is not None
    assert (found.coarse.coarse.step, found.coarse.coarse.steps, found.coarse.coarse.seconds_left) == (3, 8, 10.0)
    assert "level       4x4 fc d1 nngp: interrupted, 3 of 8 steps, 10.0s left, best 50.0%" in as_text(found)


def test_the_report_draws_every_level_on_one_axis(learned: RunDir) -> None:
    entry = entry_of_run(learned, Absent("not needed"))
    assert [level.name for level in entry.levels] == ["4x4 fc d1 nngp", "fc d1 nngp"]
    (beside,) = (block for block in learning([entry]).blocks if isinstance(block, Beside))
    charts = {chart.name: chart for chart in beside.blocks if isinstance(chart, Chart)}
    for name in ("validation-accuracy-seconds", "validation-accuracy-entries"):
        assert all(
            f"{learned.path.name}{level}: from" in charts[name].alt
            for level in ("", ", 4x4 fc d1 nngp", ", fc d1 nngp")
        )
    assert "nngp" not in charts["loss"].alt
    entries = [MetricsLog(level.metrics_file).read()[-1]["entries"] for level in levels_of(learned)]
    assert f"at {sum(entries):.4g}" in charts["validation-accuracy-entries"].alt


def test_verify_looks_into_the_levels(learned: RunDir, tmp_path: Path) -> None:
    assert not list(find_problems(learned.path))
    rundir = copied(learned.path, tmp_path / "run")
    damaged = rundir.coarse.coarse.outcome_file
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert any(str(damaged) in problem for problem in find_problems(rundir.path))


def test_what_cannot_be_is_refused_before_the_data_are_read(config: Config, tmp_path: Path) -> None:
    for coarse, message in (
        ((16,), r"size 16, but the images of digits .* have 8x8"),
        (("4,kernel.network=conv_net,kernel.depth=3",), r"images of 4x4 pixels can be halved 2 times"),
    ):
        wrong, rundir = replace(config, coarse=coarse), RunDir(tmp_path / str(len(str(coarse))))
        with rundir.open(wrong), pytest.raises(UserError, match=message):
            stages.prepare(wrong, rundir)
        assert not rundir.prepared.exists()


def test_labels_are_solved_for_real_images_alone(config: Config, tmp_path: Path) -> None:
    rundir = RunDir(tmp_path / "run")
    with rundir.open(config), pytest.raises(UserError, match=r"coarse is set, but label-solve learns no images"):
        stages.label_solve(config, rundir)


def test_the_levels_of_a_run_that_began_are_fixed(prepared: Path, config: Config, tmp_path: Path) -> None:
    rundir = copied(prepared, tmp_path / "run")
    rundir.metrics_file.write_text("a record\n")
    with (
        pytest.raises(UserError, match=r"coarse is .* there and \(4,\) here"),
        rundir.open(replace(config, coarse=(4,))),
    ):
        pass


def test_arrays_take_levels_in_a_list(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = (rng.integers(0, 90, (120, 8, 8)) + 50 * labels[:, None, None]).astype(np.uint8)
    kernel = {"network": "fc", "depth": 1}
    result = kd.distill(images, labels, size=3, steps=2, kernel=kernel, coarse=[4], dir=tmp_path / "run")
    assert result.images.shape == (3, 8, 8, 1)
    assert (tmp_path / "run" / "coarse" / "outcome.npz").exists()
