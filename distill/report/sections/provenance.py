"""Where the numbers come from: the configuration, what differs between runs, and what they ran on."""

from collections.abc import Sequence

from kerneldistill.bundle.manifest import Origin
from kerneldistill.config.differences import differences
from kerneldistill.config.schema import Config
from kerneldistill.config.toml import config_to_toml
from kerneldistill.report.document import Block, Listing, Paragraph, Section, Table
from kerneldistill.report.number_format import NONE, percent
from kerneldistill.report.report_entry import ReportEntry, held
from kerneldistill.report.sections.common import missing, named
from kerneldistill.runtime.environment import Environment


def provenance(entries: Sequence[ReportEntry]) -> Section:
    """Return configuration and environment of all entries."""
    configured = [(entry, config) for entry in entries if (config := held(entry.config)) is not None]
    blocks: list[Block] = []
    if len(configured) > 1:
        blocks.append(_differences(configured))
    blocks += [Listing(named(entry, entries, "configuration"), config_to_toml(c)) for entry, c in configured]
    blocks += missing(entries, "config", "the configuration")
    ran = [(entry, session) for entry in entries for session in held(entry.sessions) or ()]
    if ran:
        blocks.append(_environments(ran))
    blocks += missing(entries, "sessions", "the environment")
    blocks += [_origin(named(entry, entries, "imported set"), entry.origin) for entry in entries if entry.origin]
    return Section("Configuration and environment", "provenance", blocks)


def _origin(caption: str, origin: Origin) -> Table:
    rows = [
        ("file", origin.file),
        ("sha256", origin.sha256),
        ("format", origin.kind),
        ("layout", origin.layout),
        ("labels", origin.labels),
        ("images", origin.space),
    ]
    rows += [
        (f"validation accuracy as {seen.whiten}", f"{percent(seen.accuracy)} of {seen.images:,} images")
        for seen in origin.evidence
    ]
    return Table(caption, ("what", "as found"), rows, row_headers=2)


def _differences(configured: Sequence[tuple[ReportEntry, Config]]) -> Block:
    first = configured[0][1]
    found = [{d.name: d for d in differences(first, config)} for _, config in configured]
    differing = {name: d.left for changes in found for name, d in changes.items()}
    rows = [
        (name, *(_written(changes[name].right if name in changes else common) for changes in found))
        for name, common in differing.items()
    ]
    if not rows:
        return Paragraph("All runs have the same settings.")
    header = ("setting", *(entry.name for entry, _ in configured))
    return Table("Settings in which the runs differ", header, rows)


def _written(value: object) -> str:
    return "none" if value is None else str(value)


def _environments(ran: Sequence[tuple[ReportEntry, Environment]]) -> Table:
    packages = sorted({name for _, session in ran for name in session.packages})
    header = ("run", "platform", "device", "kerneldistill", "python", *packages)
    rows = [
        (
            entry.name,
            session.platform,
            f"{session.device_count} {session.device_kind} ({session.backend})",
            session.kerneldistill,
            session.python,
            *(session.packages.get(name, NONE) for name in packages),
        )
        for entry, session in ran
    ]
    # Packages are many and runs are few: a row for each package is what fits a page.
    turned = [tuple(column) for column in zip(header, *rows, strict=True)]
    return Table("What the runs ran on, a column for each session", turned[0], turned[1:], row_headers=len(turned[0]))
