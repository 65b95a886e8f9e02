"""Two columns of text."""

from collections.abc import Mapping


def columns(rows: Mapping[str, str]) -> str:
    """`rows` as lines, the right column aligned."""
    width = max(map(len, rows))
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in rows.items())
