"""A worker retries what may pass, and nothing else."""

import errno

import pytest

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.sources.digits import Digits
from kerneldistill.pipeline.storage.retry import ATTEMPTS, retry


class Flaky:
    """Fail so many times with `error`, then answer."""

    def __init__(self, failures: int, error: OSError) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "answer"


def test_it_asks_again_after_longer_and_longer_pauses():
    pauses = []
    flaky = Flaky(ATTEMPTS - 1, TimeoutError("busy"))
    assert retry(flaky, "asking", pauses.append) == "answer"
    assert len(pauses) == ATTEMPTS - 1
    for pause, longest in zip(pauses, (0.2, 0.6, 1.8, 5.4), strict=True):
        assert longest / 2 <= pause <= longest + 1e-9


def test_it_gives_up():
    flaky = Flaky(ATTEMPTS, ConnectionResetError("gone"))
    with pytest.raises(ConnectionResetError):
        retry(flaky, "asking", lambda _: None)
    assert flaky.calls == ATTEMPTS


@pytest.mark.parametrize("error", [FileNotFoundError("x"), PermissionError("x"), OSError(errno.ENOSPC, "full")])
def test_what_another_attempt_cannot_help_is_raised_at_once(error):
    flaky = Flaky(1, error)
    with pytest.raises(type(error)):
        retry(flaky, "asking", lambda _: pytest.fail("paused"))
    assert flaky.calls == 1


def test_a_storage_that_fails_at_times_changes_nothing(prepared_digits, tmp_path, monkeypatch):
    read, calls = Digits.read, []

    def sometimes(self, split, start, stop):
        calls.append(start)
        records = list(read(self, split, start, stop))
        yield from records[: len(records) // 2]
        if len(calls) % 2:
            raise TimeoutError("the storage is busy")
        yield from records[len(records) // 2 :]

    monkeypatch.setattr(Digits, "read", sometimes)
    monkeypatch.setattr("kerneldistill.pipeline.storage.retry._FIRST_PAUSE_S", 0.001)
    manifest = pipeline.prepare(DataConfig(batch_size=600), tmp_path / "out")
    assert len(calls) == 8
    assert manifest == pipeline.load(prepared_digits).manifest


def test_a_storage_that_fails_for_good_stops_the_job_with_one_line(tmp_path, monkeypatch):
    def never(self, split, start, stop):
        raise TimeoutError("the storage is busy")

    monkeypatch.setattr(Digits, "read", never)
    monkeypatch.setattr("kerneldistill.pipeline.storage.retry._FIRST_PAUSE_S", 0.001)
    with pytest.raises(DataError, match="of digits failed 5 times: the storage is busy; mend the storage"):
        pipeline.prepare(DataConfig(batch_size=600), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
