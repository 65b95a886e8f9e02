"""Distilled sets in the files of other programs: written for them, and read from them as data alone.

One module a format, with `write` and `read`. What they read was made by strangers: no pickle is executed, no size is
believed, and every fault is one `UserError`.
"""
