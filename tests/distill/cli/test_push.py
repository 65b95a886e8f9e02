"""push: what the hub is given, by a stand-in for their library, and what is said where there is none."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from kerneldistill.bundle.formats.detect import read_foreign
from kerneldistill.cli.main import main
from kerneldistill.runs.directory import RunDir


class FakeHub:
    """Remembers what it is asked, and what the folder held."""

    asked: ClassVar[list[tuple[str, dict[str, Any]]]] = []
    files: ClassVar[list[str]] = []
    error: ClassVar[Exception | None] = None

    def create_repo(self, repo: str, **given: Any) -> Any:
        if self.error is not None:
            raise self.error
        self.asked.append((repo, given))

        class Address(str):
            repo_id = repo

        return Address(f"https://hub.example/datasets/{repo}")

    def upload_folder(self, **given: Any) -> None:
        folder = Path(given["folder_path"])
        self.asked.append((given["repo_id"], {"type": given["repo_type"], "message": given["commit_message"]}))
        self.files.extend(sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()))
        read_foreign(folder)  # it is what this program reads, too


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> type[FakeHub]:
    class Hub(FakeHub):
        asked, files = [], []

    module = SimpleNamespace(HfApi=Hub, get_token=lambda: "a token")
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return Hub


@pytest.mark.parametrize("of", ["path", "bundle"])
def test_a_set_is_given_with_its_card(
    of: str, finished: RunDir, hub: type[FakeHub], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(getattr(finished, of)), "me/mine", "--private"]) == 0
    made, given = hub.asked
    assert made == ("me/mine", {"repo_type": "dataset", "private": True, "exist_ok": True})
    assert given == ("me/mine", {"type": "dataset", "message": "Add a set distilled with kerneldistill"})
    assert "README.md" in hub.files
    assert any(name.endswith(".parquet") for name in hub.files)
    assert "given to https://hub.example/datasets/me/mine" in capsys.readouterr().err


def test_what_the_hub_refuses_is_one_line(
    finished: RunDir, hub: type[FakeHub], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hub, "error", RuntimeError("403 Forbidden\nyou may not"))
    assert main(["push", str(finished.path), "others/mine"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("kdistill: error: NAME/REPO is others/mine, which cannot be written (403 Forbidden you may")


def test_without_library_or_credentials_nothing_is_given(
    finished: RunDir, hub: type[FakeHub], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sys.modules["huggingface_hub"].get_token = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
    assert main(["push", str(finished.path), "me/mine"]) == 2
    assert "finds no credentials of the Hugging Face hub: log in with hf auth login" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["push", str(finished.path), "me/mine"]) == 2
    assert "which is not installed: pip install 'kerneldistill[hub]'" in capsys.readouterr().err
    assert hub.asked == []


def test_a_run_that_is_not_done_is_not_given(
    tmp_path: Path, hub: type[FakeHub], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(tmp_path), "me/mine"]) == 2
    assert "which holds no bundle: give a run that kdistill run has finished" in capsys.readouterr().err
