"""Others' chatter stays out of the user's streams, and what this program says does not."""

import subprocess
import sys

import pytest

CODE = """
import logging, os, subprocess, sys
from kerneldistill.errors import UserError
from kerneldistill.pipeline.chatter import muffled

logging.basicConfig(level=logging.WARNING)
with muffled():
    subprocess.run(["sh", "-c", "echo worker; echo worker >&2"])
    os.write(1, b"gloo\\n")
    os.write(2, b"gloo\\n")
    print("ours")
    print("ours too", file=sys.stderr)
    logging.warning("a warning")
    ENDS
subprocess.run(["sh", "-c", "echo after"])
print("end")
logging.warning("the end")
"""


def ran(ends: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CODE.replace("ENDS", ends)], capture_output=True, text=True)


def test_what_others_write_is_kept_from_the_user_and_what_we_write_is_not() -> None:
    answer = ran("pass")
    assert answer.stdout == "ours\nafter\nend\n"
    assert answer.stderr == "ours too\nWARNING:root:a warning\nWARNING:root:the end\n"


@pytest.mark.parametrize(
    ("error", "told"), [("UserError", False), ("KeyboardInterrupt", False), ("RuntimeError", True)]
)
def test_it_is_told_after_all_where_the_program_is_at_fault(error: str, told: bool) -> None:
    answer = ran(f"raise {error}('why')")
    assert answer.returncode != 0
    assert ("worker" in answer.stderr) == told
    assert "why" in answer.stderr
    assert "gloo" not in answer.stdout


def test_streams_that_are_not_the_systems_stay(capsys: pytest.CaptureFixture[str]) -> None:
    from kerneldistill.pipeline.chatter import muffled

    before = sys.stdout, sys.stderr
    with muffled():
        assert (sys.stdout, sys.stderr) == before
        print("seen")
    assert capsys.readouterr().out == "seen\n"
