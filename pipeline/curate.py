"""Curate: which pairs go into the dataset, and why not the others?

Comes in: the consensus on each pair, the pairs with their texts, and the rules. Goes out: preferences (prompt, chosen,
rejected), and every other pair under exactly one reason: preferences + excluded == pairs. It changes nothing. Whether
a text can be trained on is not asked here: people may rightly prefer an answer to an empty one; the export decides.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.errors import SettingsError
from pipeline.intervals import wilson
from pipeline.records import HUMAN, Choice, Method, Role
from pipeline.screens import EXPLAINED

REASONS: Mapping[str, str] = {
    **{f"screen_{reason}": f"set aside, {words}" for reason, words in EXPLAINED.items()},
    "no_votes": "nobody has voted yet",
    "too_few_votes": "fewer votes than the rules ask for",
    "no_consensus": "the votes do not decide",
    "both_bad": "both responses are bad",
    "tie": "both responses are equally good",
    "low_support": "too small a share of the votes is for the outcome",
    "low_confidence": "the outcome is too uncertain",
}
"""Why a pair is left out, in the order the reasons are tried: the first that holds is the pair's reason. Those of the
screens hold for pairs that are set aside, whatever the votes say; bringing such a pair back lets the votes speak, and a
reviewer may decide it as it is."""

METHODS = tuple(str(method) for method in Method)
BEYOND_VOTES = (str(Role.ADJUDICATOR), "judge")
"""How an outcome was decided where not by adding up votes; what the rules ask of votes is not asked of these."""
TIES = ("exclude", "human")
_ROUNDING = 1e-9
PREFERENCE_COLUMNS = (
    "pair_id",
    "prompt_id",
    "prompt",
    "chosen",
    "rejected",
    "chosen_id",
    "rejected_id",
    "chosen_source",
    "rejected_source",
    "annotation_type",
    "n_votes",
    "support",
    "confidence",
    "method",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a pair needs to become a preference.

    `method` decides the consensus. A pair needs `min_votes`, the share `min_support` of its votes for the outcome
    (asked for under `majority` alone: the others may rightly side with a careful few), and `min_confidence` in it.
    `ties`: `exclude` leaves ties out, `human` chooses the human response where exactly one response is human. With
    `judge_from` a judge decides pairs that lack votes once people have proved it right at least this often (the lower
    end of the measured interval); None: never. With `calibrate` the confidence is corrected by reviewed pairs.
    What a reviewer decided needs neither votes nor support nor confidence; what a judge filled in is marked so.
    """

    method: str = Method.MAJORITY.value
    min_votes: int = 2
    min_support: float = 0.5
    min_confidence: float = 0.0
    ties: str = "exclude"
    judge_from: float | None = None
    calibrate: bool = False

    def __post_init__(self) -> None:
        """Refuse rules that make no sense."""
        wrong = ""
        if self.method not in METHODS:
            wrong = f"the method is {self.method}, not one of {', '.join(METHODS)}"
        elif self.ties not in TIES:
            wrong = f"ties are treated by {self.ties}, not one of {', '.join(TIES)}"
        elif isinstance(self.min_votes, bool) or not isinstance(self.min_votes, int) or self.min_votes < 1:
            wrong = f"the least number of votes is {self.min_votes}, not a whole number from 1"
        elif not all(isinstance(share, int | float) and 0 <= share <= 1 for share in (self.min_support, self.min_confidence)):
            wrong = "support and confidence must be shares from 0 to 1"
        elif self.judge_from is not None and not (isinstance(self.judge_from, int | float) and 0.5 <= self.judge_from <= 1):
            wrong = "a judge may fill in from a share of .5 to 1 on, or never"
        elif self.calibrate not in (True, False):
            wrong = "confidence is either corrected or not"
        if wrong:
            raise SettingsError(f"These rules cannot be used: {wrong}.", hint="Correct the rules and try again.")

    def as_dict(self) -> dict[str, object]:
        """Return the rules as plain values, for saving."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, object]) -> "Rules":
        """Return saved rules; what was not saved has its default.

        Raises:
            SettingsError: A rule is unknown or has a value that makes no sense.
        """
        unknown = sorted(set(saved) - {field.name for field in fields(cls)})
        if unknown:
            raise SettingsError(
                f"The saved rules hold {', '.join(unknown)}, which this version does not know.",
                hint="Open the project with the version that saved them, or save the rules anew.",
            )
        return cls(**saved)  # type: ignore[arg-type]  # values are checked in __post_init__


@dataclass(frozen=True, slots=True, kw_only=True)
class Curation:
    """What came of it.

    `preferences` has PREFERENCE_COLUMNS, in the order of the pairs; `excluded` has `pair_id, prompt_id, prompt,
    reason, detail`; `summary` is what the `curate` command prints.
    """

    preferences: pd.DataFrame
    excluded: pd.DataFrame
    summary: dict[str, object]


def curate(consensus: pd.DataFrame, pairs: pd.DataFrame, rules: Rules, *, screened: pd.DataFrame | None = None) -> Curation:
    """Apply the rules to every pair.

    Args:
        consensus: Columns `pair_id, outcome, n_votes, support, confidence, method` (a Method of adding up votes, or
            one of BEYOND_VOTES). A pair that is missing has no votes.
        pairs: Columns `pair_id, prompt_id, prompt, annotation_type, first_id, second_id, first, second,
            first_source, second_source`; one row per pair.
        rules: What a pair needs.
        screened: Columns `response_id, reason, detail` of the responses whose pairs are set aside, if any.
    """
    judged = pairs.drop(columns="n_votes", errors="ignore").merge(consensus, on="pair_id", how="left", validate="1:1")
    judged["outcome"] = judged["outcome"].fillna("none")
    judged["n_votes"] = judged["n_votes"].fillna(0).astype(int)
    judged["method"] = judged["method"].fillna(rules.method)
    winner = _winners(judged, rules)
    set_aside = _set_aside(judged, screened)
    reason = set_aside["reason"].where(set_aside["reason"] != "", _reasons(judged, winner, rules))
    kept = (reason == "").to_numpy()
    preferences = _preferences(judged[kept], winner[kept])
    left = judged[~kept].assign(reason=reason[~kept])
    of_screen = set_aside.loc[~kept, "detail"]
    detail = of_screen.where(set_aside.loc[~kept, "reason"] != "", _details(left, rules))
    excluded = left.assign(detail=detail)[["pair_id", "prompt_id", "prompt", "reason", "detail"]]
    excluded = excluded.reset_index(drop=True)
    return Curation(preferences=preferences, excluded=excluded, summary=_summary(judged, preferences, excluded, rules))


def _set_aside(judged: pd.DataFrame, screened: pd.DataFrame | None) -> pd.DataFrame:
    """Columns `reason, detail` for each pair: what a screen noticed about one of its responses, else empty strings."""
    told = pd.DataFrame("", index=judged.index, columns=["reason", "detail"], dtype=object)
    if screened is None or screened.empty:
        return told
    noticed = screened.set_index("response_id")[["reason", "detail"]].assign(reason="screen_" + screened["reason"].to_numpy())
    for side in ("second_id", "first_id"):
        found = noticed.reindex(judged[side]).set_index(judged.index)
        told = found.where(found["reason"].notna(), told)
    # A reviewer has read the pair and decided all the same.
    told.loc[judged["method"] == Role.ADJUDICATOR] = ""
    return told


def _winners(judged: pd.DataFrame, rules: Rules) -> pd.Series:
    """`first`, `second`, or the empty string where neither wins."""
    outcome = judged["outcome"]
    winner = outcome.where(outcome.isin([Choice.FIRST, Choice.SECOND]), "")
    if rules.ties == "human":
        by_human = (judged["first_source"] == HUMAN).astype(int) + (judged["second_source"] == HUMAN)
        human = np.where(judged["first_source"] == HUMAN, str(Choice.FIRST), str(Choice.SECOND))
        winner = winner.mask((outcome == Choice.TIE) & (by_human == 1), human)
    return winner.astype(object)


def _reasons(judged: pd.DataFrame, winner: pd.Series, rules: Rules) -> pd.Series:
    """The first reason that holds of each pair, the empty string where none does."""
    by_people = ~judged["method"].isin(BEYOND_VOTES)
    by_votes = by_people & (rules.method == Method.MAJORITY)
    holds = {
        "no_votes": by_people & (judged["n_votes"] == 0),
        "too_few_votes": by_people & (judged["n_votes"] < rules.min_votes),
        "no_consensus": judged["outcome"] == "none",
        "both_bad": judged["outcome"] == Choice.BOTH_BAD,
        "tie": winner == "",
        "low_support": by_votes & (judged["support"] < rules.min_support - _ROUNDING),
        "low_confidence": judged["confidence"] < rules.min_confidence - _ROUNDING,
    }
    found = np.select([each.to_numpy(dtype=bool) for each in holds.values()], list(holds), default="")
    return pd.Series(found.astype(object), index=judged.index)


def _details(left: pd.DataFrame, rules: Rules) -> list[str]:
    """The numbers behind each reason, in words."""
    words = {
        "too_few_votes": "{n} of {rules.min_votes} votes",
        "no_consensus": "{n} votes, the most frequent choice has {support:.0%}",
        "both_bad": "{support:.0%} of {n} votes",
        "tie": "{support:.0%} of {n} votes",
        "reviewed": "decided by a reviewer",
        "low_support": "{support:.0%} of {n} votes, the rules ask for {rules.min_support:.0%}",
        "low_confidence": "confidence {confidence:.2f}, the rules ask for {rules.min_confidence:.2f}",
    }
    said = left["reason"].mask(left["method"] == str(Role.ADJUDICATOR), "reviewed")
    rows = zip(said, left["n_votes"], left["support"], left["confidence"], strict=True)
    return [
        words.get(reason, "").format(n=n, support=support, confidence=confidence, rules=rules)
        for reason, n, support, confidence in rows
    ]


def _preferences(kept: pd.DataFrame, winner: pd.Series) -> pd.DataFrame:
    first = (winner == Choice.FIRST).to_numpy(dtype=bool)
    columns: dict[str, pd.Series] = {}
    for name, suffix in (("", ""), ("_id", "_id"), ("_source", "_source")):
        columns["chosen" + name] = kept["first" + suffix].where(first, kept["second" + suffix])
        columns["rejected" + name] = kept["second" + suffix].where(first, kept["first" + suffix])
    return kept.assign(**columns)[list(PREFERENCE_COLUMNS)].reset_index(drop=True)


def _summary(judged: pd.DataFrame, preferences: pd.DataFrame, excluded: pd.DataFrame, rules: Rules) -> dict[str, object]:
    outcome = judged["outcome"]
    counted = {name: int((outcome == name).sum()) for name in ("tie", "both_bad", "none")}
    return {
        "method": rules.method,
        "pairs": len(judged),
        "preferences": len(preferences),
        "excluded": _count(excluded["reason"], order=list(REASONS)),
        "chosen_by_source": _count(preferences["chosen_source"]),
        "decided_by": _count(preferences["method"]),
        "consensus": {"decided": len(judged) - sum(counted.values()), **counted},
        "rules": rules.as_dict(),
    }


def _count(values: pd.Series, order: list[str] | None = None) -> dict[str, int]:
    """How often each value occurs, in the given order, else by name."""
    counts = values.value_counts()
    return {str(name): int(counts[name]) for name in (order or sorted(counts.index)) if name in counts.index}


class LengthBias(NamedTuple):
    """Whether longer responses win. Of `n` preferences with unequal lengths, `share` (95 %: `low` to `high`) chose the longer.

    `chosen_chars` and `rejected_chars` are mean lengths over all preferences.
    """

    n: int
    share: float
    low: float
    high: float
    chosen_chars: float
    rejected_chars: float


def length_bias(preferences: pd.DataFrame) -> LengthBias:
    """Measure how often the longer response was chosen; NaN without preferences. `preferences`: `chosen, rejected`."""
    chosen, rejected = preferences["chosen"].str.len(), preferences["rejected"].str.len()
    n, longer = int((chosen != rejected).sum()), int((chosen > rejected).sum())
    low, high = wilson(np.array([longer]), np.array([n]))
    share = longer / n if n else float("nan")
    return LengthBias(n, share, float(low[0]), float(high[0]), float(chosen.mean()), float(rejected.mean()))
