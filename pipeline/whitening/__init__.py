"""The kinds of whitening, one module each, listed in `registry`; `Whitener` applies and inverts a fitted one."""
