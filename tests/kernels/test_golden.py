"""The kernels of neural-tangents 0.6.5 in float64, stored, and ours."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from kerneldistill.kernels.architectures import conv_net, conv_vec, fc_net, myrtle, resnet
from kerneldistill.kernels.layers import (
    Activation,
    AvgPool,
    Concat,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalSelfAttention,
    LayerNorm,
    PositionalEmbedding,
    Residual,
    Sum,
)
from kerneldistill.kernels.network import Network
from tests.helpers.kernels import engine
from tests.helpers.networks import A, C
from tests.helpers.tolerance import FORWARD, GRADIENT, assert_close

GOLDEN = Path(__file__).parents[1] / "golden"
ERF = Activation("erf")
PADDED = Network(
    (
        *(Conv(padding="CIRCULAR"), A, Conv(size=5, stride=2, padding="CIRCULAR"), ERF, Conv(padding="VALID"), A),
        *(Conv(1.2, 0.2, stride=2), A, Flatten(), Dense()),
    )
)
POOLS = Network((C, A, AvgPool(3, 2), C, A, AvgPool(3), C, A, GlobalAvgPool(), Dense()))
BRANCHES = (Conv(1.1, stride=2), A), (Conv(size=1, stride=2),), (Conv(b_std=0.3, size=5, stride=2),)
BLOCK = Residual((C, A, C), Conv(size=1))
NORM, WHOLE = LayerNorm(eps=1e-12), LayerNorm(whole=True, eps=1e-12)
JOINED = Network((C, NORM, A, Concat(BRANCHES), BLOCK, WHOLE, ERF, Flatten(), Dense()))
NEAR, ONE = PositionalEmbedding(0.7, 0.3), Conv(size=1)
SOFTMAX = GlobalSelfAttention("linear", "softmax", 1.1, 1.3, 0.8, 1.2, 0.2, NEAR)
SEEN = GlobalSelfAttention(mechanism="relu", W_key_std=0.6, positions=PositionalEmbedding(0.5), value_positions=True)
SQUARED = GlobalSelfAttention("sqrt", "identity", 0.9, 0.5, 0.8, 1.2, 0.2, NEAR)
PATCHES, PERCEPTRON = Conv(size=2, stride=2, padding="VALID"), Residual((NORM, ONE, A, ONE))
TOKENS = (PATCHES, Residual((NORM, SOFTMAX)), PERCEPTRON, NORM, SEEN, A)
LOOSE = Sum(((GlobalSelfAttention("sqrt", "identity", W_key_std=0.3),), (ONE,)))
ATTENTION = Network((*TOKENS, GlobalAvgPool(), Dense()))
ATTENTION_SQUARED = Network((C, A, AvgPool(), SQUARED, NORM, ERF, LOOSE, A, Flatten(), Dense()))
NETWORKS: dict[str, Network] = {
    "fc1_8": fc_net(1),
    "fc3_erf_8": fc_net(3, activation="erf"),
    "convnet3_16": conv_net(3, prepend=False),
    "convnet3_prepend_16": conv_net(3),
    "convnet3_prepend_28": conv_net(3),
    "convnet3_prepend_32": conv_net(3),
    "convvec3_10": conv_vec(3),
    "convnet2_gap_12": conv_net(2, prepend=False, global_pool=True),
    "convnet2_std_12": conv_net(2).standard(width=64),
    "myrtle5_8": myrtle(5, pools=1),
    "resnet10_8": resnet(10),
    "padded_9": PADDED,
    "pools_13": POOLS,
    "joined_6": JOINED,
    "attention_8": ATTENTION,
    "attention_squared_6": ATTENTION_SQUARED,
}
# At equal images acos turns rounding of c = 1 into its square root: neural-tangents keeps half the digits there in
# float64. Ours is exact there, which test_invariants holds against the closed form.
DIAGONAL = 1e-8


def test_every_stored_file_has_its_network() -> None:
    assert {file.stem for file in GOLDEN.glob("*.npz")} == set(NETWORKS)


# Compiling them takes seconds: float64 alone is among the fast tests.
LARGE = "convnet3_prepend_16", "resnet10_8", "attention_8", "attention_squared_6"
CASES = [
    pytest.param(name, dtype, marks=[pytest.mark.slow] * (name in LARGE and dtype == "float32"))
    for name in NETWORKS
    for dtype in ("float64", "float32")
]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_golden(name: str, dtype: str) -> None:
    golden = np.load(GOLDEN / f"{name}.npz")
    x1, x2 = golden["x1"].astype(dtype), golden["x2"].astype(dtype)
    # Compiling is all the time: one program serves both blocks, and the support has the features of the targets.
    both, n = np.concatenate([x1, x2]), len(x1)
    ntk = engine(NETWORKS[name], x1.shape[1:], "ntk", dtype)
    targets = ntk.target_features(both)
    support = jax.tree.map(lambda x: np.asarray(x)[: len(both)], targets)
    # In float32 the NNGP is left out: the NTK is made of it by the same operations.
    for own in (ntk, replace(ntk, kind="nngp"))[: 2 if dtype == "float64" else 1]:
        found = np.asarray(own.k_ts(support, targets)).T[:n]
        itself, truth = found[:, :n], golden[f"{own.kind}_self"]
        off_diagonal = 1 - np.eye(n)
        assert_close(found[:, n : len(both)], golden[own.kind], FORWARD[dtype])
        assert_close(itself * off_diagonal, truth * off_diagonal, FORWARD[dtype])
        assert_close(itself, truth, max(DIAGONAL, FORWARD[dtype]))
    if "cot" in golden:
        cotangent = np.zeros((len(both), len(both)))
        cotangent[:n, n:] = golden["cot"]
        found = ntk.pullback_images(both, ntk.pullback(support, targets, cotangent))
        assert_close(found[n:], golden["grad_ntk"], GRADIENT[dtype])
