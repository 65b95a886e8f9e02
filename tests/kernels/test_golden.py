"""The kernels of neural-tangents 0.6.5 in float64, stored, and ours."""

from pathlib import Path

import numpy as np
import pytest

from kernels.networks import Network, conv_net, conv_vec, fc_net, myrtle
from tests.helpers.kernels import engine, gradient, kernel
from tests.helpers.tolerance import FORWARD, GRADIENT, assert_close

GOLDEN = Path(__file__).parents[1] / "golden"
NETWORKS: dict[str, Network] = {
    "fc1_8": fc_net(1),
    "fc3_erf_8": fc_net(3, activation="erf"),
    "convnet3_16": conv_net(3, prepend=False),
    "convnet3_prepend_16": conv_net(3),
    "convnet3_prepend_28": conv_net(3),
    "convnet3_prepend_32": conv_net(3),
    "convvec3_10": conv_vec(3),
    "convnet2_gap_12": conv_net(2, prepend=False, global_pool=True),
    "myrtle5_8": myrtle(5, pools=1),
    "convnet2_std_12": conv_net(2).standard(width=64),
}
# At equal images acos turns rounding of c = 1 into its square root: neural-tangents keeps half the digits there in
# float64. Ours is exact there, which test_invariants holds against the closed form.
DIAGONAL = 1e-8


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NETWORKS)
def test_golden(name: str, dtype: str) -> None:
    golden = np.load(GOLDEN / f"{name}.npz")
    x1, x2 = golden["x1"].astype(dtype), golden["x2"].astype(dtype)
    off_diagonal = 1 - np.eye(len(x1))
    for get in ("nngp", "ntk"):
        own = engine(NETWORKS[name], x1.shape[1:], get, dtype)
        both = kernel(own, x1, np.concatenate([x2, x1]))
        assert_close(both[:, : len(x2)], golden[get], FORWARD[dtype])
        itself, truth = both[:, len(x2) :], golden[f"{get}_self"]
        assert_close(itself * off_diagonal, truth * off_diagonal, FORWARD[dtype])
        assert_close(itself, truth, max(DIAGONAL, FORWARD[dtype]))
    if "cot" in golden:
        found = gradient(own, x2, x1, golden["cot"].T)
        assert_close(found, golden["grad_ntk"], GRADIENT[dtype])
