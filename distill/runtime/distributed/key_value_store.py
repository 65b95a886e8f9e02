"""Texts that all processes see, in the store of jax's coordination service, which process 0 keeps."""

from collections.abc import Iterator
from contextlib import contextmanager

from kerneldistill.runtime.distributed.watchdog import LostBoardError


class KeyValueBoard:
    """A `watchdog.Board`; `jax.distributed` is initialised. All raise LostBoardError if process 0 is gone."""

    def __init__(self) -> None:
        from jax._src import distributed  # the store has no public name

        self._client = distributed.global_state.client

    def put(self, name: str, text: str) -> None:
        """Writes a text, over an earlier one."""
        with _as_lost():
            self._client.key_value_set(f"kerneldistill/{name}", text, allow_overwrite=True)

    def read(self, folder: str) -> dict[int, str]:
        """The texts FOLDER/0, FOLDER/1, ... that there are."""
        with _as_lost():
            found = self._client.key_value_dir_get(f"kerneldistill/{folder}/")
        return {int(name.rpartition("/")[2]): text for name, text in found}

    def take(self, name: str, seconds: float) -> str | None:
        """A text as soon as it is there; None if it is not in so many seconds."""
        try:
            return self._client.blocking_key_value_get(f"kerneldistill/{name}", int(1000 * seconds))
        except RuntimeError as error:
            if "DEADLINE_EXCEEDED" in str(error):
                return None
            raise LostBoardError(str(error)) from error

    def remove(self, name: str) -> None:
        """Removes a text, if it is there."""
        with _as_lost():
            self._client.key_value_delete(f"kerneldistill/{name}")


@contextmanager
def _as_lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LostBoardError(str(error)) from error
