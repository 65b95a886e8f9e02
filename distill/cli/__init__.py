"""The commands of `kdistill`: `table` names them, and one module here does each."""
