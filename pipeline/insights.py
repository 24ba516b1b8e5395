"""Insights: beside the coefficients, what the votes of a project say about people, parts of the data, and the next votes.

Here the store meets the stages that look closer. What goes out is plain values, as `docs/terminal.md` promises; what is
undefined is None. Nothing is changed.
"""

from dataclasses import asdict
from typing import Any

import pandas as pd

from pipeline import agreement, annotators, more_votes, segments
from pipeline.adapters.store import Store
from pipeline.records import Role

PEOPLE = (
    "annotator",
    "votes",
    "days",
    "median_seconds",
    "compared",
    "same_share",
    "same_low",
    "same_high",
    "shown_first_share",
    "longer_share",
    "same_answer_share",
    "fast_share",
    "repeat_share",
)
"""What is told of each annotator, of the columns of `annotators.examine`."""


def look_closer(store: Store, name: str) -> dict[str, Any]:
    """Return `people`, `questions`, `segments`, `more_votes` and `judge_ratings` of a project."""
    votes, pairs, everything = store.votes(name), store.pairs(name), store.votes(name, history=True)
    history = everything[everything["role"] != Role.ADJUDICATOR]
    labels = agreement.offered_choices(votes)
    people = annotators.examine(votes, pairs, history=history)
    outlook = more_votes.expect(votes, labels=labels)
    ratings = agreement.measure_ratings(judge_ratings(store.judgements(name)))
    return {
        "people": plain_rows(people[list(PEOPLE)]),
        "questions": [asdict(question) for question in annotators.questions(people)],
        "segments": plain_rows(segments.by_segment(votes, pairs, labels=labels)),
        "more_votes": {"why": outlook.why, "plans": plain_rows(outlook.plans)},
        "judge_ratings": {rating: asdict(coefficient) for rating, coefficient in ratings.items()},
    }


def judge_ratings(judgements: pd.DataFrame) -> pd.DataFrame:
    """Return the ratings judges gave, for `agreement.measure_ratings`; a half or a rating off the scale does not count.

    Args:
        judgements: As `Store.judgements`.

    Returns:
        Columns `item_id` (pair, order and side), `annotator` (the judge), `rating`.
    """
    sides = [
        pd.DataFrame(
            {
                "item_id": judgements["pair_id"] + " " + judgements["shown_first"] + f" {side}",
                "annotator": judgements["judge"],
                "rating": judgements[f"rating_{side}"].astype(float),
            }
        )
        for side in ("first", "second")
    ]
    both = pd.concat(sides, ignore_index=True)
    return both[both["rating"].isin(agreement.RATINGS)].reset_index(drop=True)


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as plain values, None where one is undefined."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
