"""`Report`: what the Beam graph hands back to the launcher, in a file that any runner can write."""

import dataclasses
import json
from dataclasses import dataclass

from etils import epath

from kerneldistill.pipeline.sources.record import BadRecord
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.storage.shard import Shard

REPORT = "report.json"


@dataclass(frozen=True)
class Report:
    """What was written.

    shards: every shard
    bad: every record that could not be used, in source order
    """

    shards: tuple[Shard, ...]
    bad: tuple[BadRecord, ...]

    def save(self, staging: epath.Path) -> None:
        """Write the report into the staging folder."""
        write_whole(staging / REPORT, json.dumps(dataclasses.asdict(self)).encode())

    @classmethod
    def take(cls, staging: epath.Path) -> "Report":
        """Read the report and remove its file."""
        import pydantic

        path = staging / REPORT
        report = pydantic.TypeAdapter(cls).validate_json(path.read_bytes())
        path.unlink()
        return report
