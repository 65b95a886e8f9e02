"""The commands of `kdistill`: `commands` lists them, and one module each runs them."""
