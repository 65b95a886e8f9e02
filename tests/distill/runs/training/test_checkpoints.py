"""A checkpoint comes back bit for bit, or is refused by name; a killed or failed save leaves those before it."""

import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kerneldistill.runs.training.checkpoints import CheckpointError, Checkpoints, _without_echoes


class Learned(NamedTuple):
    images: jax.Array
    labels: jax.Array


def make_state(seed: int) -> tuple[object, ...]:
    """A state with every kind of leaf; its first leaf is the largest and does not compress."""
    rng = np.random.default_rng(seed)
    learned = Learned(
        jnp.asarray(rng.normal(size=(16, 16, 16, 1)), jnp.float32), jnp.asarray(rng.normal(size=(16, 10)), jnp.float64)
    )
    return (
        learned,
        optax.adam(1e-2).init(learned),
        jax.random.fold_in(jax.random.key(7), seed),
        {
            "order": rng.permutation(9).astype(np.int32),
            "best": np.float64(rng.normal()),
            "mask": np.array([True, False]),
        },
        {"step": seed, "seconds": 0.1 * seed, "done": seed % 2 == 0},
        jnp.asarray([1.5, jnp.nan, -0.0], jnp.bfloat16),
    )


def same_bits(a: object, b: object) -> bool:
    """Whether two leaves are of one kind and equal bit for bit."""
    if isinstance(a, jax.Array) and jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
        return a.dtype == b.dtype and same_bits(jax.random.key_data(a), jax.random.key_data(b))
    left, right = np.asarray(a), np.asarray(b)
    return type(a) is type(b) and left.dtype == right.dtype and left.tobytes() == right.tobytes()


def assert_same(a: object, b: object) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    assert jax.tree.all(jax.tree.map(same_bits, a, b))


@pytest.fixture
def three(tmp_path: Path) -> Checkpoints:
    """Steps 10, 20 and 30, holding the states of seeds 1, 2 and 3."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=3)
    for seed in (1, 2, 3):
        checkpoints.save(10 * seed, make_state(seed))
    return checkpoints


def largest_file(folder: Path) -> Path:
    return max((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def test_a_state_comes_back_bit_for_bit_with_its_types(three: Checkpoints) -> None:
    restored = Checkpoints(three.folder, keep=3).restore_latest(make_state(0))
    assert restored is not None
    step, state = restored
    assert step == 30
    assert_same(state, make_state(3))
    assert isinstance(state[1][0], optax.ScaleByAdamState)


def test_nothing_saved_is_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "new", keep=1).restore_latest(make_state(0)) is None


def test_only_the_newest_are_kept(three: Checkpoints) -> None:
    three.save(40, make_state(4))
    assert three.steps() == [20, 30, 40]
    assert sorted(os.listdir(three.folder)) == ["20", "30", "40"]


def test_a_step_can_be_saved_again(three: Checkpoints) -> None:
    three.save(30, make_state(5))
    step, state = three.restore_latest(make_state(0))
    assert step == 30
    assert_same(state, make_state(5))


def test_arrays_on_many_devices_come_back_on_one(tmp_path: Path) -> None:
    mesh = jax.make_mesh((2,), ("target",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("target"))
    values = np.arange(8.0)
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, jax.device_put(values, sharding))
    _, restored = checkpoints.restore_latest(jnp.zeros(8))
    assert restored.devices() == {jax.devices()[0]}
    assert_same(restored, jnp.asarray(values))


def test_a_flipped_bit_is_found_named_and_stepped_over(three: Checkpoints, caplog: pytest.LogCaptureFixture) -> None:
    flip_a_bit(largest_file(three.folder / "30"))
    step, state = three.restore_latest(make_state(0))
    assert step == 20
    assert_same(state, make_state(2))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"step 30 in {three.folder} is damaged: leaf [0].images is not what was saved" in record.getMessage()
    assert record.getMessage().endswith("; going on from step 20")
    assert three.steps() == [10, 20]
    assert (three.folder / "damaged-30").is_dir()
    three.save(30, make_state(3))
    assert three.restore_latest(make_state(0))[0] == 30


@pytest.mark.parametrize("name", ["_CHECKPOINT_METADATA", "state/_METADATA"])
def test_a_torn_file_is_stepped_over(three: Checkpoints, name: str, caplog: pytest.LogCaptureFixture) -> None:
    file = three.folder / "30" / name
    file.write_bytes(file.read_bytes()[:20])
    assert three.restore_latest(make_state(0))[0] == 20
    assert "step 30" in caplog.text


def test_a_step_under_the_number_of_another_is_damaged(three: Checkpoints) -> None:
    (three.folder / "30").rename(three.folder / "40")
    assert three.restore_latest(make_state(0))[0] == 20


def test_no_undamaged_step_is_an_error_that_names_them(three: Checkpoints) -> None:
    for step in (10, 20, 30):
        flip_a_bit(largest_file(three.folder / str(step)))
    with pytest.raises(CheckpointError, match=r"every checkpoint .*step 30: leaf .*step 20: .*step 10: .*remove it"):
        three.restore_latest(make_state(0))
    assert three.steps() == [10, 20, 30]


@pytest.mark.parametrize(
    ("like", "fault"),
    [
        ({"x": np.zeros(3), "z": np.zeros(1)}, r"leaf \['z'\] is absent there and float64\[1\] here"),
        ({}, r"leaf \['x'\] is float64\[3\] there and absent here"),
        ({"x": np.zeros(4)}, r"leaf \['x'\] is float64\[3\] there and float64\[4\] here"),
        ({"x": np.zeros(3, np.float32)}, r"leaf \['x'\] is float64\[3\] there and float32\[3\] here"),
    ],
)
def test_another_kind_of_state_is_refused(tmp_path: Path, like: dict[str, np.ndarray], fault: str) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, {"x": np.ones(3)})
    with pytest.raises(CheckpointError, match=fault + r".*choose another --dir"):
        checkpoints.restore_latest(like)


@pytest.mark.parametrize("leaf", ["text", 2**70, np.zeros((0, 3))])
def test_leaves_that_cannot_be_kept_are_refused(tmp_path: Path, leaf: object) -> None:
    with pytest.raises(TypeError, match="cannot be in a checkpoint"):
        Checkpoints(tmp_path, keep=1).save(1, {"x": leaf})


def test_what_a_killed_process_left_is_removed(three: Checkpoints) -> None:
    (three.folder / "40.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    (three.folder / ".deleted-5").mkdir()
    assert Checkpoints(three.folder, keep=3).steps() == [10, 20, 30]
    assert sorted(os.listdir(three.folder)) == ["10", "20", "30"]


def test_what_is_for_good_stays(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1, for_good={2, 4})
    for step in range(1, 7):
        checkpoints.save(step, {"x": np.zeros(3)})
    assert checkpoints.steps() == [2, 4, 6]
    checkpoints.keep_only(4)
    assert sorted(os.listdir(tmp_path)) == ["4"]


FULL_DISK = """
import resource, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from kerneldistill.runs.training.checkpoints import CheckpointError, Checkpoints, _without_echoes
checkpoints = Checkpoints(Path(sys.argv[1]), keep=3)
checkpoints.save(1, {"x": np.arange(9.0)})
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    checkpoints.save(2, {"x": np.random.default_rng(0).normal(size=20_000)})
except CheckpointError as error:
    print(error)
"""


def test_a_failed_save_says_so_and_leaves_the_others(tmp_path: Path) -> None:
    answer = subprocess.run([sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith(f"step 2 could not be saved in {tmp_path}: ")
    assert "File too large" in answer.stdout
    assert "Saved before and whole: [1]. Make room there" in answer.stdout
    assert os.listdir(tmp_path) == ["1"]
    assert_same(Checkpoints(tmp_path, keep=3).restore_latest({"x": np.zeros(9)}), (1, {"x": np.arange(9.0)}))


def test_leaves_that_come_after_the_failure_are_not_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    late, other = (SimpleNamespace(exc_value=RuntimeError(text)) for text in ("Event loop is closed", "a bug"))
    with _without_echoes():
        pass
    sys.unraisablehook(late)
    with pytest.raises(OSError, match="full"), _without_echoes():
        raise OSError("full")
    sys.unraisablehook(late)
    sys.unraisablehook(other)
    assert told == [late, other]


ENDLESS = """
import itertools, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from kerneldistill.runs.training.checkpoints import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), keep=2)
step, state = checkpoints.restore_latest({"x": np.zeros(50_000)}) or (0, None)
assert state is None or (state["x"] == step).all()
for step in itertools.count(step + 1):
    checkpoints.save(step, {"x": np.full(50_000, float(step))})
    print("going", flush=True)
"""


def test_kill_9_at_any_moment_leaves_a_whole_step(tmp_path: Path) -> None:
    reached = 0
    for seed in range(2):
        with subprocess.Popen([sys.executable, "-c", ENDLESS, tmp_path], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "going\n"
            time.sleep(random.Random(seed).uniform(0.2, 0.6))
            process.send_signal(signal.SIGKILL)
        step, state = Checkpoints(tmp_path, keep=2).restore_latest({"x": np.zeros(50_000)})
        assert step > reached
        assert (state["x"] == step).all()
        reached = step


DAMAGED = """
import itertools, random, shutil, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from kerneldistill.runs.training.checkpoints import Checkpoints
good, copy = Path(sys.argv[1], "good"), Path(sys.argv[1], "copy")
rng, values = random.Random(0), np.random.default_rng(0).normal(size=1000)
for step in (1, 2):
    Checkpoints(good, keep=2).save(step, {"x": values, "n": 3})
names = [file.relative_to(good) for file in (good / "2").rglob("*") if file.is_file() and file.stat().st_size]
for name, damage in itertools.product(names, ("flip", "flip", "flip", "cut", "zero", "remove")):
    shutil.copytree(good, copy)
    content = bytearray((copy / name).read_bytes())
    where = rng.randrange(len(content))
    if damage == "flip":
        content[where] ^= 1 << rng.randrange(8)
    (copy / name).write_bytes({"cut": content[:where], "zero": bytes(len(content))}.get(damage, content))
    if damage == "remove":
        (copy / name).unlink()
    step, state = Checkpoints(copy, keep=2).restore_latest({"x": np.zeros(1000), "n": 0})
    assert state["n"] == 3 and state["x"].tobytes() == values.tobytes(), (name, damage)
    print(step)
    shutil.rmtree(copy)
"""


@pytest.mark.slow
def test_no_damage_to_any_file_gets_through(tmp_path: Path) -> None:
    # In a process of its own: reads that orbax gives up go on in threads and complain to whatever test comes next.
    answer = subprocess.run([sys.executable, "-c", DAMAGED, tmp_path], stdout=subprocess.PIPE, text=True, check=True)
    steps = answer.stdout.split()
    assert set(steps) == {"1", "2"}
    assert len(steps) >= 6 * 5
