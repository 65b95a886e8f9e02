"""What is set before jax starts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerneldistill.runtime.devices import cache_folder

PROBE = """
import json, os
from kerneldistill.runtime import devices
devices.setup()
import jax
print(json.dumps([len(jax.devices()), jax.config.jax_enable_x64, jax.config.jax_compilation_cache_dir,
                  int(os.environ["NPROC"]), int(os.environ["PJRT_NPROC"])]))
"""


def test_every_usable_core_is_a_device(tmp_path: Path) -> None:
    env = {**os.environ, "JAX_PLATFORMS": "cpu", "KERNELDISTILL_CACHE": str(tmp_path / "cache")}
    answer = subprocess.run([sys.executable, "-c", PROBE], env=env, capture_output=True, text=True, check=True)
    cores = len(os.sched_getaffinity(0))
    assert json.loads(answer.stdout) == [cores, True, str(tmp_path / "cache"), 2 * cores, 2 * cores]


def test_where_compiled_programs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERNELDISTILL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/kerneldistill")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "kerneldistill"
    monkeypatch.setenv("KERNELDISTILL_CACHE", "/elsewhere")
    assert cache_folder() == Path("/elsewhere")
    monkeypatch.setenv("KERNELDISTILL_CACHE", "")
    assert cache_folder() is None
