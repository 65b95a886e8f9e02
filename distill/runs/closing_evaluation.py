"""The closing evaluation of a run: the chosen support, its start and random real ones, all scored by the same code."""

import numpy as np

from kerneldistill.algorithms.ensemble import views
from kerneldistill.algorithms.scoring import evaluate as score_of
from kerneldistill.algorithms.scoring import random_support
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.kernel_names import start_name
from kerneldistill.config.schema import Config
from kerneldistill.evaluation.protocol_result import set_sha256
from kerneldistill.kernels.engine import Engine
from kerneldistill.pipeline import Prepared, Split
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.measuring import measured
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.results import Measured, Results
from kerneldistill.runtime.progress import activity


def closing_evaluation(config: Config, rundir: RunDir, data: Prepared, engine: Engine, outcome: Outcome) -> Results:
    """Score what was learned on validation and on test, which is read here alone, beside what it is compared with.

    Returns the results, with those of protocols that the run has for the same set.
    """
    test, validation = (_targets(rundir, data, engine, split) for split in (data.test, data.validation))
    names, groups = config.evaluate.ensemble, _groups(config, data, engine, outcome)
    with activity("evaluating", len(groups) + bool(names) + bool(len(validation)), "sets") as shown:
        found = []
        for done, (sources, ridge) in enumerate(groups, 1):
            found += measured(engine, sources[0].images, [source.labels for source in sources], test, ridge)
            shown.update(done)
        chosen = groups[0][0][0]
        ensembled = score_of(engine, chosen, test, outcome.ridge, views(names)) if names else None
        held_out = score_of(engine, chosen, validation, outcome.ridge) if len(validation) else None
    learned, start, *random_real = found
    return Results(
        step=outcome.step,
        label_mode=outcome.label_mode,
        support_size=len(outcome.support.images),
        num_test=len(test),
        learned=learned,
        start=start,
        random_real=tuple(random_real),
        validation=None if held_out is None else Measured(*held_out),
        protocols=Results.protocols_of(rundir.results_file, set_sha256(*outcome.support)),
        averaged=outcome.averaged,
        began_as=start_name(config),
        ensembled=None if ensembled is None else Measured(*ensembled),
        views=names,
    )


def _targets(rundir: RunDir, data: Prepared, engine: Engine, split: Split) -> Targets:
    return Targets(engine, split, len(data.manifest.class_names), folder=rundir.features)


def _groups(config: Config, data: Prepared, engine: Engine, outcome: Outcome) -> list[tuple[list[Support], float]]:
    """What was learned, what it began as, and random real images with centred labels: sets of the same images together.

    Solved labels and those of the start have the same images, and so one kernel. Each group has its ridge.
    """
    classes, size = len(data.manifest.class_names), len(outcome.support.images)
    draws = range(config.evaluate.baseline_draws)
    learned, began_as, ridge = outcome.support, outcome.start.support, config.krr.ridge
    alike = outcome.ridge == ridge and np.array_equal(learned.images, began_as.images)
    groups = [([learned, began_as], ridge)] if alike else [([learned], outcome.ridge), ([began_as], ridge)]
    for draw in draws:
        groups.append(([random_support(data.train, classes, size, config.seed, draw, engine.dtype)], ridge))
    return [([regressed(support, config.support.flip) for support in sets], ridge) for sets, ridge in groups]
