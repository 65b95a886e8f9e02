"""Bytes of strangers, read as data alone: nothing in them is executed, no size is believed, no name is a path."""
