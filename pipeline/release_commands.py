"""Release commands: what the command line does with releases once they are written.

Each function takes the studio and the parsed options, and returns the document that is printed.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

from pipeline.records import Summary
from pipeline.studio import Studio


def add_to(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands on releases to the command line; `add` takes a name and what carries it out."""
    add("releases", releases)
    add("health", health)
    one = add("remake", remake)
    one.add_argument("release", metavar="RELEASE", help="its name, its version such as v2, or latest")
    one = add("diff", diff)
    one.add_argument("since", nargs="?", default="latest", metavar="SINCE", help="a release (default: the latest)")
    one.add_argument("until", nargs="?", default="", metavar="UNTIL", help="another release (default: what it would hold now)")
    one = add("licence", licence)
    one.add_argument("--answer", action="append", default=[], metavar="ID=ANSWER", help="answer a question; repeat for several")
    one = add("publish", publish)
    one.add_argument("release", metavar="RELEASE", help="its name, its version such as v2, or latest")
    one.add_argument("--repo", required=True, metavar="OWNER/NAME", help="the dataset on the Hugging Face Hub; made if missing")
    one.add_argument("--public", action="store_true", help="for everybody to see (default: private)")
    one.add_argument("--texts-reviewed", action="store_true", help="what looks like personal data in it has been read")
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


def health(studio: Studio, options: argparse.Namespace) -> Summary:
    """Is the next release fit to train on: bias, lengths, duplicates, language, agreement, each with its interval."""
    report = studio.facts.health(options.project)
    return {
        "rows": report.rows,
        "looked_at": report.looked_at,
        "findings": [asdict(finding) for finding in report.findings],
        "chosen_by_source": [asdict(finding) for finding in report.chosen_by_source],
        "tokens": [
            {"part": each.part, "n": each.n} | dict(zip(("half", "nine_in_ten", "most", "longest"), each.at, strict=False))
            for each in report.tokens
        ],
        "token_note": report.token_note,
    }


def remake(studio: Studio, options: argparse.Namespace) -> Summary:
    """Make a release again from the votes as they were then, and say whether every byte is the same."""
    return studio.remake(options.project, options.release)


def diff(studio: Studio, options: argparse.Namespace) -> Summary:
    """What changed since a release: added, removed and flipped preferences, and how sure people are."""
    found = studio.facts.changes(options.project, since=options.since, until=options.until)
    return found.as_json() | {"rows": json.loads(found.rows.to_json(orient="records"))}


def licence(studio: Studio, options: argparse.Namespace) -> Summary:
    """Under which terms a release goes out, and what must be answered before it is published."""
    name = studio.store.project(options.project).name
    for given in options.answer:
        question, _, answer = given.partition("=")
        studio.facts.answer(name, question, answer)
    terms = studio.facts.terms(name)
    return {
        "licence": terms.licence,
        "parts": [asdict(part) | {"outputs": str(part.outputs)} for part in terms.parts],
        "questions": [asdict(question) for question in terms.questions],
        "open": [question.id for question in terms.open],
    }


def publish(studio: Studio, options: argparse.Namespace) -> Summary:
    """Bring a release to the Hugging Face Hub, private unless told otherwise; again, only what is missing is sent."""
    chosen = (options.project, options.release, options.repo)
    if options.dry_run:
        return studio.publishing.plan(*chosen, is_private=not options.public)
    return studio.publishing.publish(
        *chosen, is_private=not options.public, texts_reviewed=options.texts_reviewed, progress=_progress
    )


def _progress(done: int, total: int) -> None:
    print(f"{done:,} of {total:,} bytes", file=sys.stderr, flush=True)
