"""What is told of a support under protocols: the closing table, and what replaces what."""

import numpy as np
import pytest

from kerneldistill.evaluation.protocol_result import merged, protocol_table, set_sha256
from tests.helpers.protocol_results import protocol_result, trained


def test_mean_and_deviation_are_over_the_seeds() -> None:
    assert (trained(0.6, 0.7).mean, trained(0.6, 0.7).std) == pytest.approx((0.65, 0.05))
    assert protocol_result().seeds == (0, 1)


def test_the_table() -> None:
    kernel = protocol_result(
        protocol="krr",
        network="conv_net ntk",
        learned=trained(0.958, learning_rate=None),
        whole_train=None,
        hlr=None,
        lrs=None,
        ior=-0.012,
    )
    title, header, rows = protocol_table((protocol_result(), kernel), "digits")
    assert title == "digits: test accuracy of networks fitted to 10 images, mean ± deviation of seeds"
    assert [*map(len, rows)] == [len(header)] * 2
    assert rows[0] == (
        "dc, convnet-in",
        "2",
        "65.0 ± 5.0 %",
        "45.0 ± 5.0 %",
        "85.0 %",
        "+20.0",
        "+30.0",
        "41.2",
        "-",
        "0.01",
        "0.0005",
        "12.5s",
    )
    assert rows[1][:9] == ("krr, conv_net ntk", "1", "95.8 %", "45.0 ± 5.0 %", "-", "-1.2", "-", "-", "-")


def test_a_result_replaces_its_older_self_and_those_of_other_supports_go() -> None:
    dc, kip = protocol_result(), protocol_result(protocol="kip")
    anew, other = protocol_result(ior=0.25), protocol_result(protocol="dsa", support_sha256="6" * 64)
    assert merged((dc, kip, other), (anew,)) == (kip, anew)
    assert merged((), (dc,)) == (dc,)


def test_the_digest_is_of_images_and_labels() -> None:
    images, labels = np.zeros((2, 4, 4, 1)), np.eye(2)
    assert set_sha256(images, labels) == set_sha256(images.astype(np.float32), labels)
    assert len({set_sha256(images, labels), set_sha256(images + 1, labels), set_sha256(images, -labels)}) == 3
