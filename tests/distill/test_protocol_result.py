"""What is told of a support under protocols: DD-Ranking's two figures, and the closing table."""

import pytest

from distill.protocol_result import WholeTrain, hard_label_recovery, improvement_over_random, protocol_table
from tests.helpers.protocol_results import protocol_result, trained


def test_the_figures_of_dd_ranking() -> None:
    assert improvement_over_random(trained(0.6, 0.7), trained(0.4, 0.5)) == pytest.approx(0.2)
    assert hard_label_recovery(trained(0.5, 0.6), WholeTrain(0.85, "x")) == pytest.approx(0.3)
    assert hard_label_recovery(trained(0.5, 0.6), None) is None


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
        "0.01",
        "0.0005",
    )
    assert rows[1][:8] == ("krr, conv_net ntk", "1", "95.8 %", "45.0 ± 5.0 %", "-", "-1.2", "-", "-")
