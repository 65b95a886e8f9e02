"""The section on sensitivity: a row for each protocol that trains, and what is said where none did."""

from dataclasses import replace

from kerneldistill.report.document import Missing, Table
from kerneldistill.report.sections.sensitivity import sensitivity
from tests.helpers.reports import make_entry


def test_the_means_are_over_the_seeds_that_know_them() -> None:
    entry = make_entry()
    (protocol,) = entry.protocols
    (table,) = [block for block in sensitivity([entry]).blocks if isinstance(block, Table)]
    assert table.rows == [(f"{protocol.protocol}, {protocol.network}", *("0.25", "0.2", "0.4") * 2)]


def test_without_trained_networks_the_command_is_named() -> None:
    entry = make_entry()
    (protocol,) = entry.protocols
    silent = tuple(replace(score, sensitivity=None) for score in protocol.learned.scores)
    nothing = replace(protocol, learned=replace(protocol.learned, scores=silent))
    for protocols in ((), (nothing,)):
        (block,) = sensitivity([replace(entry, protocols=protocols)]).blocks
        assert isinstance(block, Missing)
        assert "--protocol dc" in block.reason
