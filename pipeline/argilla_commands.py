"""Argilla commands: what the command line does with the Argilla server people vote on, beside sending and fetching.

Each function takes the studio and the parsed options, and returns the document that is printed.
"""

import argparse
from collections.abc import Callable

from pipeline.records import Summary
from pipeline.studio import Studio


def add_to(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the command line; `add` takes a name and what carries it out."""
    add("argilla", argilla, project=False)


def argilla(studio: Studio, _: argparse.Namespace) -> Summary:
    """Whether the Argilla server can be used: its version, whose key it is, workspace and datasets, or what is in the way."""
    return studio.tracking.check()
