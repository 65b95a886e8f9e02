"""Subjects of reports, made up in memory: random features for kernels, numbers for results."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.config.presets import PRESETS
from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore, Sensitivity, Trained, WholeTrain
from kerneldistill.report.kernels_on_test import OnTest
from kerneldistill.report.report_entry import LearnedSet, ReportEntry
from kerneldistill.runs.results import Measured, Results
from kerneldistill.runtime.environment import Environment

NAMES = ("ant", "bee", "cat")
SHAPE = (6, 5, 3)
S, T = 6, 40


def make_on_test(seed: int = 0, per_class: int = 2) -> OnTest:
    """Kernels of random features that know a little of the classes."""
    rng, k = np.random.default_rng(seed), len(NAMES)
    s = k * per_class
    truth = rng.integers(0, k, T).astype(np.int32)
    ids = np.repeat(np.arange(k), per_class)
    centres = rng.normal(size=(k, 20))
    features = np.concatenate([centres[ids], centres[truth]]) + 1.6 * rng.normal(size=(s + T, 20))
    nngp = (features @ features.T / 20).astype(np.float32)
    ntk = nngp + 0.5 * np.tanh(nngp)
    return OnTest(
        ntk_ss=ntk[:s, :s],
        ntk_ts=ntk[s:, :s],
        nngp_ss=nngp[:s, :s],
        nngp_ts=nngp[s:, :s],
        nngp_tt=np.diag(nngp)[s:],
        start_ss=ntk[:s, :s] + 0.1 * np.eye(s, dtype=np.float32),
        start_ts=ntk[s:, :s],
        start_images=rng.normal(size=(s, *SHAPE)).astype(np.float32),
        start_labels=centred_one_hot(ids, k),
        learned_pixels=rng.uniform(-20, 280, (s, *SHAPE)).astype(np.float32),
        start_pixels=rng.uniform(0, 255, (s, *SHAPE)).astype(np.float32),
        test_pixels=rng.integers(0, 256, (T, *SHAPE), dtype=np.uint8),
        test_labels=truth,
        test_size=T,
    )


def make_results(**changes: object) -> Results:
    """Scores with every baseline, and one protocol."""
    moves = Sensitivity(0.25, 0.2, 0.4)
    scores = tuple(SeedScore(seed, 0.5 + 0.01 * seed, 0.04, 0.1, 1.0, moves) for seed in range(3))
    protocol = ProtocolResult(
        protocol="dc",
        network="convnet-instance",
        support_sha256="5" * 64,
        support_size=S,
        num_test=T,
        learned=Trained(scores, 0.1, 0.0005, 0.6),
        hard=None,
        random_real=Trained(scores[:2]),
        whole_train=WholeTrain(0.9, "measured"),
        ior=0.2,
        hlr=0.3,
        seconds=12.0,
    )
    results = Results(
        step=12,
        label_mode="learned",
        support_size=S,
        num_test=T,
        learned=Measured(0.75, 0.0123),
        start=Measured(0.5, 0.03),
        random_real=(Measured(0.4, 0.03), Measured(0.5, 0.04)),
        validation=Measured(0.7, 0.014),
        protocols=(protocol,),
    )
    return replace(results, **changes)


def make_entry(name: str = "run", seed: int = 0, **changes: object) -> ReportEntry:
    """A finished run with everything in it."""
    on_test, results, rng = make_on_test(seed), make_results(), np.random.default_rng(seed)
    config = replace(PRESETS["digits"], seed=seed)
    learned = LearnedSet(
        images=rng.normal(size=(S, *SHAPE)),
        pixels=on_test.learned_pixels,
        labels=on_test.start_labels + 0.05 * rng.normal(size=(S, len(NAMES))),
        class_ids=np.repeat(np.arange(len(NAMES)), S // len(NAMES)),
        class_names=NAMES,
        label_mode="learned",
        step=12,
    )
    records = [{"step": 0, "validation_accuracy": 0.3, "validation_mse": 0.05}]
    for step in range(1, 16):
        records.append({"step": step, "loss": 1.0 / step**2, "gradient_norm": 1e-3 * step, "seconds": 0.25})
        records[-1] |= {"condition": 10.0**step} | ({"validation_accuracy": 0.04 * step} if step % 5 == 0 else {})
    entry = ReportEntry(
        name=name,
        path=Path("/runs") / name,
        dataset="tiny 1.0.0",
        whiten="standard",
        kernel=config.kernel,
        ridge=1e-3,
        learned=learned,
        records=records,
        results=results,
        protocols=results.protocols,
        on_test=on_test,
        config=config,
        sessions=[Environment("0.1.0", "3.11", "Linux", "cpu", "cpu", 2, {"jax": "0.10.2", "numpy": "2.4"})],
    )
    return replace(entry, **changes)
