"""Results of protocols, made up, for tests of what is told of them."""

from dataclasses import replace

from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore, Trained, WholeTrain


def trained(*accuracies: float, learning_rate: float | None = 0.01) -> Trained:
    """One seed for each accuracy."""
    scores = tuple(SeedScore(seed, accuracy, None, learning_rate, 1.5) for seed, accuracy in enumerate(accuracies))
    return Trained(scores, learning_rate, 5e-4, 0.75)


def protocol_result(**changes: object) -> ProtocolResult:
    """Two seeds of 60 and 70 % beside 40 and 50 % of random images and 85 % of the whole train split."""
    result = ProtocolResult(
        protocol="dc",
        network="convnet-in",
        support_sha256="5" * 64,
        support_size=10,
        num_test=450,
        learned=trained(0.6, 0.7),
        hard=trained(0.5, 0.6),
        random_real=trained(0.4, 0.5),
        whole_train=WholeTrain(0.85, "measured, 5 seeds"),
        ior=0.2,
        hlr=0.3,
        seconds=12.5,
        lrs=0.412,
    )
    return replace(result, **changes)
