"""The stages of a job, each from what the one before left in the run directory; `run` is all of them.

Of several processes all go through a stage, with what is slow divided among them, and the first writes (`from_first`).
"""

import json
import math
import time
from collections.abc import Callable
from functools import partial

import jax

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.label_solve import label_solve as solve
from kerneldistill.algorithms.problem import problem_of
from kerneldistill.algorithms.registry import algorithm_of
from kerneldistill.algorithms.targets import Targets
from kerneldistill.bundle.contact_sheet import draw_sheet
from kerneldistill.bundle.writer import BundleContents, sheet_of, write_bundle
from kerneldistill.config.data_limits import check_shards, check_support
from kerneldistill.config.schema import Config
from kerneldistill.config.validation import check
from kerneldistill.errors import UserError
from kerneldistill.kernels.engine import Engine
from kerneldistill.pipeline import Prepared, load
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runs.closing_evaluation import closing_evaluation
from kerneldistill.runs.coarse_run import awaits_coarse, coarse_run, first_images, is_learned
from kerneldistill.runs.completion import Stages, run_is_done, stages_of
from kerneldistill.runs.conduct import USUAL, Conduct
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.fork import first_state
from kerneldistill.runs.initial_support import spent_before, start_of
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.planning.announcement import Method, announce
from kerneldistill.runs.planning.plan import check_memory
from kerneldistill.runs.planning.precedent import precedent_for
from kerneldistill.runs.preparing import prepare, take_given
from kerneldistill.runs.refit import with_labels_refitted
from kerneldistill.runs.results import Results
from kerneldistill.runs.run_encoder import recorded, use_encoder
from kerneldistill.runs.run_pictures import RunPictures
from kerneldistill.runs.training.checkpoints import Checkpoints
from kerneldistill.runs.training.evolution import Evolution
from kerneldistill.runs.training.followers import followers_of
from kerneldistill.runs.training.loop import TrainState
from kerneldistill.runs.training.loop import train as learn
from kerneldistill.runs.training.metrics import MetricsLog
from kerneldistill.runs.training.saver import CheckpointSaver
from kerneldistill.runs.training.schedule import steps_for_good
from kerneldistill.runtime.console import closing_table, duration, tell
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.collectives import from_first
from kerneldistill.runtime.progress import activity


def run(config: Config, rundir: RunDir, conduct: Conduct = USUAL) -> None:
    """Prepare, distil, evaluate and export; skip what is done and intact."""
    check(config)
    if _is_done(config, rundir):
        return
    from_first(lambda: take_given(config, rundir, conduct))
    use_encoder(config, rundir)
    from_first(lambda: check_memory(config, rundir))
    learning, *_ = stages_of(config, rundir)
    if not from_first(lambda: Stages(rundir.stages_file).is_done(learning)):
        _check_unsolved(rundir)
        _announce(config, rundir, "run", conduct)
        if (precedent := precedent_for(config)) is not None:
            tell(precedent.line())
    prepare(config, rundir, conduct)
    _make(config, rundir, "distill", lambda: _learn(config, rundir, conduct))


def _is_done(config: Config, rundir: RunDir, first: str = "distill") -> bool:
    """Whether nothing is to be done, which is told."""
    if not from_first(lambda: run_is_done(config, rundir, first)):
        return False
    use_encoder(config, rundir)
    tell(f"{rundir.path} is done: nothing to do")
    closing_table(*Results.load(rundir.results_file).table(config.data.name))
    return True


def _make(config: Config, rundir: RunDir, first: str, make_first: Callable[[], None]) -> None:
    """Go through the stages that are not done, of which the one named `first` makes the outcome."""
    made_by = {first: make_first, "evaluate": lambda: evaluate(rundir), "export": lambda: export(rundir)}
    known = Stages(rundir.stages_file)
    for stage in stages_of(config, rundir, first):
        if not from_first(partial(known.is_done, stage)):
            made_by[stage.name]()


def _announce(config: Config, rundir: RunDir, method: Method, conduct: Conduct) -> None:
    processes = collectives.count()
    from_first(lambda: announce(config, rundir, method, processes, conduct.confirm))


def record_done(name: str, rundir: RunDir, first: str = "distill") -> None:
    """Record that a stage has just been done, and all files that are finished by now."""

    def record() -> None:
        (stage,) = (stage for stage in stages_of(rundir.config(), rundir, first) if stage.name == name)
        rundir.finished.forget(rundir.stages_file)
        Stages(rundir.stages_file).done(stage)
        rundir.finished.add()

    from_first(record)


def distill(config: Config, rundir: RunDir, conduct: Conduct = USUAL) -> None:
    """Learn the support from the prepared data, or go on learning it, one level after the other.

    Raises:
      UserError: labels were solved for in this directory, or see `kerneldistill.runs.training.loop.train`.
      DataError: the prepared data are missing or damaged.
    """
    check(config)
    _check_unsolved(rundir)
    from_first(lambda: take_given(config, rundir, conduct))
    use_encoder(config, rundir)
    from_first(lambda: check_memory(config, rundir))
    _announce(config, rundir, "distill", conduct)
    _learn(config, rundir, conduct)


def _check_unsolved(rundir: RunDir) -> None:
    if rundir.outcome_file.exists() and not rundir.checkpoints.exists():
        raise UserError(f"{rundir.path} holds solved labels, which would be lost: learn in another --dir")


def _learn(config: Config, rundir: RunDir, conduct: Conduct) -> None:
    """Learn the levels before, and then the run's own support."""
    if awaits_coarse(config, rundir):
        with coarse_run(config, rundir) as (level, folder):
            if not is_learned(level, folder):
                tell(f"a coarser level first: {folder.path}")
                _learn(level, folder, conduct)
    data, engine = _open(config, rundir)
    with activity("making the start"):
        start = start_of(config, data, rundir.start_file, rundir.coarse if config.coarse else None)
        problem = problem_of(config, data, engine, start.support, rundir.features)
    growing = (rundir.metrics_file, rundir.events, rundir.live_picture, rundir.checkpoints, rundir.best, rundir.frames)
    pictures = RunPictures(rundir, config, data, start, written=collectives.index() == 0)
    from_first(lambda: rundir.finished.forget(*growing, rundir.start_file, rundir.outcome_file))
    saver: CheckpointSaver[TrainState] = CheckpointSaver(
        config,
        Checkpoints(rundir.checkpoints, config.checkpoint.keep, steps_for_good(config.checkpoint)),
        Checkpoints(rundir.best, keep=1),
        pictures.show,
    )
    algorithm = algorithm_of(config)
    first = first_state(rundir, algorithm, problem, spent_before(rundir.start_file))
    followers = followers_of(rundir, conduct.followers) if collectives.index() == 0 else []
    pictures.begin(saver.checkpoints.steps())
    best = learn(algorithm, problem, saver, MetricsLog(rundir.metrics_file), followers, first).best
    with activity("refitting the labels"):
        best = with_labels_refitted(config, data, problem, best)
    mode = start.label_mode(best.support.labels)
    outcome = Outcome(best.support, start, best.step, mode, best.ridge, best.averaged)
    from_first(lambda: outcome.save(rundir.outcome_file))
    record_done("distill", rundir)


def label_solve(config: Config, rundir: RunDir, conduct: Conduct = USUAL) -> None:
    """Prepare, solve for the labels of the first images in closed form, evaluate and export; skip what is done.

    Raises:
      UserError: images were learned in this directory; see also `prepare`.
    """
    check(config)
    check_shards(config.support, jax.local_device_count())
    if config.coarse:
        raise UserError("coarse is set, but label-solve learns no images: leave out --coarse, or run kdistill run")
    if rundir.checkpoints.exists():
        raise UserError(f"{rundir.path} holds learned images, which would be lost: solve for labels in another --dir")
    if _is_done(config, rundir, "label-solve"):
        return
    from_first(lambda: take_given(config, rundir, conduct))
    use_encoder(config, rundir)
    if not from_first(rundir.outcome_file.exists):
        _announce(config, rundir, "label-solve", conduct)
    prepare(config, rundir, conduct)
    _make(config, rundir, "label-solve", lambda: _solve(config, rundir))


def _solve(config: Config, rundir: RunDir) -> None:
    data, engine = _open(config, rundir)
    start = start_of(config, data, rundir.start_file)
    train = Targets(engine, data.train, len(data.manifest.class_names), folder=rundir.features)
    began = time.perf_counter()
    with activity("solving for the labels"):
        kept = rundir.triangle_file
        solved = solve(engine, start.support.images, train, config.krr.ridge, config.support.flip, kept)
    tell(f"labels solved over {len(train):,} targets ({duration(time.perf_counter() - began)})")
    outcome = Outcome(solved, start, 0, "label_solve", config.krr.ridge)
    from_first(lambda: rundir.finished.forget(rundir.outcome_file))
    from_first(lambda: outcome.save(rundir.outcome_file))
    from_first(lambda: kept.unlink(missing_ok=True))
    record_done("label-solve", rundir, "label-solve")


def evaluate(rundir: RunDir) -> None:
    """Score the chosen support, its start and random real ones by the same code; reads the test split, once.

    Raises:
      UserError: nothing is distilled there yet, or what is there is damaged or another run's.
    """
    config, outcome = rundir.config(), Outcome.load(rundir.outcome_file)
    use_encoder(config, rundir)
    data, engine = _open(config, rundir)
    outcome.check_fits(rundir.outcome_file, data.manifest, config.kernel.dtype)
    from_first(lambda: rundir.finished.check(rundir.outcome_file))
    results = closing_evaluation(config, rundir, data, engine, outcome)
    from_first(lambda: rundir.finished.write(rundir.results_file, results.to_json().encode()))
    record_done("evaluate", rundir)
    closing_table(*results.table(data.manifest.name))


def export(rundir: RunDir) -> None:
    """Write the bundle and the picture of the chosen support.

    Raises:
      UserError: nothing is distilled or evaluated there yet, or what is there is damaged or another run's.
    """
    with activity("writing the bundle"):
        from_first(lambda: _export(rundir))
    if not rundir.temporary:
        moving = f"   evolution: {rundir.evolution}" if rundir.evolution.exists() else ""
        tell(f"bundle: {rundir.bundle}   picture: {rundir.picture}{moving}")


def _export(rundir: RunDir) -> None:
    config, outcome = rundir.config(), Outcome.load(rundir.outcome_file)
    results = Results.load(rundir.results_file)
    data = load(rundir.prepared)
    outcome.check_fits(rundir.outcome_file, data.manifest, config.kernel.dtype)
    rundir.finished.check(rundir.outcome_file, rundir.results_file)
    contents = BundleContents(
        images=outcome.support.images,
        labels=outcome.support.labels,
        class_ids=outcome.start.class_ids,
        init_indices=outcome.start.init_indices,
        starts=first_images(rundir, outcome),
        label_mode=outcome.label_mode,
        step=outcome.step,
        results=json.loads(results.to_json()),
        config=config,
        source=data.manifest,
        whitener=data.whitener,
        probe=data.probe,
        ridge=outcome.ridge,
        encoder=recorded(rundir),
    )
    rundir.finished.forget(rundir.picture, rundir.evolution)
    write_bundle(rundir.bundle, contents)
    draw_sheet(sheet_of(contents)).save(rundir.picture)
    if (moving := Evolution(rundir.frames).gif()) is not None:
        write_whole(rundir.evolution, moving)
    record_done("export", rundir)


def _open(config: Config, rundir: RunDir) -> tuple[Prepared, Engine]:
    with activity("reading the data"):
        data = load(rundir.prepared)
        from_first(lambda: rundir.tie_to_data(data.manifest.fingerprint))
        from_first(rundir.record_environment)
    check_support(config.support, data.manifest.class_counts["train"])
    # A run may be evaluated where there are other devices than those it was learned on.
    shards = math.gcd(config.support.shards, jax.local_device_count())
    return data, engine_of(config.kernel, data.manifest.image_shape, shards=shards)
