"""A text of a file as a part of a document: one escape for each medium. HTML has its own, in `report.html_tree`."""

import re

from kerneldistill.pipeline.untrusted.names import is_printed

# With one of these a spreadsheet takes a cell for a formula.
_FORMULA = ("=", "+", "-", "@")


def markdown(text: str) -> str:
    """Return text that is no Markdown and no HTML, on one line."""
    flat = " ".join("".join(letter if is_printed(letter) else " " for letter in text).split())
    plain = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|~#!])", r"\\\1", plain).replace("://", ":&#47;/")


def csv_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula, on one line; a number stays one."""
    flat = "".join(letter if is_printed(letter) else " " for letter in text)
    if not flat.lstrip().startswith(_FORMULA) or re.fullmatch(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", flat):
        return flat
    return f"'{flat}"
