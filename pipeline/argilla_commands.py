"""Argilla commands: what the command line does with the Argilla server people vote on, beside sending and fetching.

Each function takes the studio and the parsed options, and returns the document that is printed.
"""

import argparse
import sys
from collections.abc import Callable

from pipeline.records import Summary
from pipeline.studio import Studio


def add_to(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the command line; `add` takes a name and what carries it out."""
    add("argilla", argilla, project=False)
    one = add("import-argilla", import_argilla)
    one.add_argument("--dataset", required=True, metavar="NAME", help="a dataset of the older cookbook on the Argilla server")
    one.add_argument("--model", required=True, metavar="M", help="who wrote the second answers; the dataset does not say")
    one.add_argument("--judge", default="", metavar="M", help="who suggested the ratings (default: the same model)")
    one.add_argument("--workspace-name", default="", metavar="NAME", help="the dataset's workspace in Argilla (default: any)")
    one.add_argument("--language", help="makes the project if there is none")


def argilla(studio: Studio, _: argparse.Namespace) -> Summary:
    """Whether the Argilla server can be used: its version, whose key it is, workspace and datasets, or what is in the way."""
    return studio.tracking.check()


def import_argilla(studio: Studio, options: argparse.Namespace) -> Summary:
    """Take in the votes of an Argilla dataset made by the older cookbook: two answers, each rated from 1 to 5."""
    return studio.import_argilla(
        options.project,
        options.dataset,
        model=options.model,
        judge=options.judge,
        workspace=options.workspace_name,
        language=options.language,
        progress=_progress,
    )


def _progress(done: int, total: int) -> None:
    print(f"{done:,} of {total:,} records", file=sys.stderr, flush=True)
