"""The settings of a run: their schema, presets, TOML and flags, and what their values must satisfy."""
