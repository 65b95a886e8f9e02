"""One resolution of a tile: `base` is the definition, `fused` the same in one kernel of a TPU, `passing` chooses."""
