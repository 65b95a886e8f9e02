"""A distilled set as files: our own folder, and (`formats`) those of other programs."""
