"""The kinds of input `prepare` can read: one module each, listed in `registry`."""
