"""Markdown: how does a text from outside become part of a page without becoming a heading, a link or HTML of its own?"""

import re
from collections.abc import Sequence


def inline(text: str) -> str:
    """Return text from outside as Markdown that shows just these characters, in one line."""
    one_line = "".join(letter if letter.isprintable() else " " for letter in text)
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|<>&~$:@])", r"\\\1", " ".join(one_line.split()))
    return re.sub(r"www\.", r"www\.", escaped, flags=re.IGNORECASE)


def block(text: str) -> str:
    """Return text from outside as a code block that it cannot break out of."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def number(count: int) -> str:
    """Return a count with commas between the thousands."""
    return f"{count:,}"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; its cells are Markdown already."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
