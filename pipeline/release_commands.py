"""Release commands: what the command line does with releases once they are written.

Each function takes the studio and the parsed options, and returns the document that is printed.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict

from pipeline.records import Summary
from pipeline.studio import Studio


def add_to(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands on releases to the command line; `add` takes a name and what carries it out."""
    add("releases", releases)
    one = add("publish", publish)
    one.add_argument("release", metavar="RELEASE", help="its name, its version such as v2, or latest")
    one.add_argument("--repo", required=True, metavar="OWNER/NAME", help="the dataset on the Hugging Face Hub; made if missing")
    one.add_argument("--public", action="store_true", help="for everybody to see (default: private)")
    one.add_argument("--dry-run", action="store_true", help="list what would be uploaded, and change nothing")


def releases(studio: Studio, options: argparse.Namespace) -> Summary:
    """The releases of a project, newest first, and where each was published."""
    project = studio.store.project(options.project).name
    went = studio.store.publications(project)
    return {
        "releases": [
            {"version": each.label, "name": each.name, "preferences": each.rows, "at": each.at, "directory": each.directory}
            | {"published": ", ".join(dict.fromkeys(one.repo for one in went if one.release == each.name))}
            for each in studio.store.releases(project)
        ],
        "publications": [asdict(one) for one in went],
    }


def publish(studio: Studio, options: argparse.Namespace) -> Summary:
    """Bring a release to the Hugging Face Hub, private unless told otherwise; again, only what is missing is sent."""
    chosen = (options.project, options.release, options.repo)
    if options.dry_run:
        return studio.publishing.plan(*chosen, is_private=not options.public)
    return studio.publishing.publish(*chosen, is_private=not options.public, progress=_progress)


def _progress(done: int, total: int) -> None:
    print(f"{done:,} of {total:,} bytes", file=sys.stderr, flush=True)
