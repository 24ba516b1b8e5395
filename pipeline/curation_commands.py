"""Curation commands: what the command line does with votes once they are in: rules, contested pairs, decisions, names.

Each function takes the studio and the parsed options, and returns the document that is printed. A reviewer reads a pair here
as on the page: blind, its responses as a and b in a drawn order.
"""

import argparse
from collections.abc import Callable
from dataclasses import fields, replace

import pandas as pd

from pipeline import consensus
from pipeline.adjudicate import Order
from pipeline.curate import METHODS, REASONS, TIES, Rules
from pipeline.insights import plain_rows
from pipeline.records import Choice, Summary
from pipeline.studio import Studio

NEVER = "never"
SAID = ("a", "b", str(Choice.TIE), str(Choice.BOTH_BAD), str(Choice.SKIP))
SHOWN = 20


def add_to(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the command line; `add` takes a name and what carries it out."""
    one = add("curate", curate)
    # Only what is given changes: the rest stays as saved.
    one.argument_default = argparse.SUPPRESS
    one.add_argument("--method", choices=METHODS, help="how the votes on a pair add up")
    one.add_argument("--min-votes", type=int, metavar="N", help="votes that a pair needs")
    one.add_argument("--min-support", type=float, metavar="SHARE", help="from 0 to 1; asked for under majority alone")
    one.add_argument("--min-confidence", type=float, metavar="SHARE", help="from 0 to 1")
    one.add_argument("--ties", choices=TIES, help="leave ties out, or choose the response that a person wrote")
    one.add_argument(
        "--judge-from",
        type=_share_or_never,
        metavar=f"SHARE|{NEVER}",
        help="let a judge fill in once people have proved it right this often",
    )
    one.add_argument("--calibrate", action=argparse.BooleanOptionalAction, help="correct the confidence by reviewed pairs")
    one.add_argument("--dry-run", action="store_true", default=False, help="show what these rules keep, and save nothing")
    one = add("left-out", left_out)
    one.add_argument("--reason", choices=tuple(REASONS), help="one reason (default: all)")
    _limit(one)
    _limit(add("flips", flips))
    one = add("contested", contested)
    one.add_argument("--order", choices=tuple(map(str, Order)), default=str(Order.ENTROPY), help="which pairs come first")
    _limit(one)
    one = add("history", history)
    one.add_argument("pair", metavar="PAIR", help="the pair's id")
    one = add("decide", decide)
    one.add_argument("pair", metavar="PAIR", help="the pair's id")
    one.add_argument("choice", choices=SAID, help="as `history` shows the pair; skip takes the decision back")
    one.add_argument("--reviewer", required=True, metavar="NAME", help="who decides")
    one.add_argument("--reason", required=True, metavar="TEXT", help="a sentence that others can follow")
    one = add("rename-annotator", rename_annotator)
    one.add_argument("old", metavar="OLD", help="the name the votes were cast under")
    one.add_argument("new", metavar="NEW", help="the name to show them under; it may have votes of its own")


def _limit(command: argparse.ArgumentParser) -> None:
    command.add_argument("--limit", type=int, default=SHOWN, metavar="N", help=f"show so many (default {SHOWN}, 0: all)")


def _share_or_never(text: str) -> float | None:
    return None if text == NEVER else float(text)


def curate(studio: Studio, options: argparse.Namespace) -> Summary:
    """Turn votes into preferences, or a counted reason why not; the rules that are given are saved with the others."""
    saved = Rules.from_dict(studio.store.project(options.project).rules)
    given = {field.name: getattr(options, field.name) for field in fields(Rules) if hasattr(options, field.name)}
    rules = replace(saved, **given)
    told = studio.curation(options.project, rules).summary if options.dry_run else studio.save_rules(options.project, rules)
    advice = consensus.advise(studio.store.votes(options.project))
    return dict(told) | {"advice": {"method": str(advice.method), "sentence": advice.sentence}}


def left_out(studio: Studio, options: argparse.Namespace) -> Summary:
    """The pairs that the saved rules leave out, each with its reason; `decide` brings one back."""
    found = studio.curation(options.project).excluded
    if options.reason:
        found = found[found["reason"] == options.reason]
    return {"pairs": len(found), "left_out": _rows(found[["pair_id", "reason", "detail", "prompt"]], options.limit)}


def flips(studio: Studio, options: argparse.Namespace) -> Summary:
    """The pairs on which the methods of adding up differ, side by side."""
    rules = Rules.from_dict(studio.store.project(options.project).rules)
    found = studio.decisions.flips(options.project, min_votes=rules.min_votes)
    return {"pairs": len(found), "flips": _rows(found, options.limit)}


def contested(studio: Studio, options: argparse.Namespace) -> Summary:
    """The pairs a reviewer should look at, most pressing first; decided ones stand at the end."""
    found = studio.decisions.queue(studio.store.project(options.project).name, options.order)
    told = ["pair_id", "n_votes", "entropy", "margin", "judge_conflict", "is_decided"]
    waiting = int((~found["is_decided"]).sum())
    return {"order": options.order, "pairs": len(found), "waiting": waiting, "contested": _rows(found[told], options.limit)}


def history(studio: Studio, options: argparse.Namespace) -> Summary:
    """One pair as a reviewer reads it: prompt, both responses, and all that was said on it, blind to names and sources."""
    read = studio.decisions.read(options.project, options.pair)
    said = read.history.assign(at=read.history["at"].astype(str)).rename(columns={"choice": "said"})
    return {"pair_id": options.pair, "prompt": read.prompt, "a": read.a, "b": read.b, "history": _rows(said, 0)}


def decide(studio: Studio, options: argparse.Namespace) -> Summary:
    """Decide a pair above its votes, or take a decision back; every vote stays as it was cast."""
    read = studio.decisions.read(options.project, options.pair)
    choice = read.choice(options.choice)
    studio.decisions.review(options.project, options.pair, choice, reviewer=options.reviewer, reason=options.reason)
    outcomes = studio.decisions.queue(options.project)
    return {"pair_id": options.pair, "decided": options.choice, "waiting": int((~outcomes["is_decided"]).sum())}


def rename_annotator(studio: Studio, options: argparse.Namespace) -> Summary:
    """Show the votes of one name under another, for someone who voted under two; no vote is changed."""
    return studio.decisions.rename_annotator(options.project, options.old, options.new)


def _rows(frame: pd.DataFrame, limit: int) -> list[Summary]:
    """The first rows of a frame, all of them for 0."""
    return plain_rows(frame.head(limit) if limit > 0 else frame)
