"""Material: what the rows of a release are made of, each preference, vote and judgement at the place of its pair.

Frames of one project come in; `Material` goes out. Texts stand in `pairs` alone and are copied nowhere. Preferences that no
trainer can use are counted under a reason. Changes nothing, reads no files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.records import Choice, Project
from pipeline.shapes import TEXT_SIDES, is_text, to_arrow

FAULTS = ("", "identical", "not_text", "empty")
"""Why a row cannot be trained on, by the number that stands for it; of several the last counts."""
IDENTICAL, NOT_TEXT, EMPTY = 1, 2, 3
FEW_RUNS = 500

Numbers = npt.NDArray[np.int64]
Counted = tuple[pd.DataFrame, Counter[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the rows are made of.

    `pairs`: all pairs as they came, with `rank` (their order in the release), `system, language, prompt_no` (the same for pairs
    of one prompt), and of `prompt, first, second` the `_fault` (a number of FAULTS). The others have `place`, the row of their
    pair in `pairs`. `kept`: one row per preference, sorted, with its provenance and `is_first`, whether the chosen response is
    the pair's first. `bad`, `ties`: pairs whose responses are both bad, or equally good. `votes`: those that count.
    `judgements`: likewise.
    """

    project: Project
    pairs: pd.DataFrame
    kept: pd.DataFrame
    bad: pd.DataFrame
    ties: pd.DataFrame
    votes: pd.DataFrame
    judgements: pd.DataFrame

    def without(self, prompt_ids: Collection[str]) -> Material:
        """Return what is left without these prompts."""
        stays = ~self.pairs["prompt_id"].isin(prompt_ids).to_numpy(dtype=bool)
        frames = ((name, getattr(self, name)) for name in _PLACED)
        parts: dict[str, Any] = {name: part(frame, stays[frame["place"]]) for name, frame in frames}
        return replace(self, **parts)

    def prompts(self) -> pd.DataFrame:
        """Return `prompt_id, prompt, kind` of every prompt that can stand in a file.

        `kind` is whose answer was chosen, and the annotation type; empty without a preference.
        """
        used = np.unique(np.concatenate([getattr(self, name)["place"].to_numpy() for name in _PLACED]))
        rows = self.pairs[["prompt_id", "prompt", "annotation_type"]].take(used).drop_duplicates("prompt_id", ignore_index=True)
        winners = self.kept.drop_duplicates("prompt_id").set_index("prompt_id")["chosen_source"]
        won = rows["prompt_id"].map(winners).astype(object).fillna("").astype(str)
        of_type = ", " + rows["annotation_type"].fillna("").astype(str)
        kind = won.where((of_type == ", ") | (won == ""), won + of_type)
        return rows.assign(kind=kind)[["prompt_id", "prompt", "kind"]]


_PLACED = ("kept", "bad", "ties", "votes", "judgements")


def prepare(
    project: Project,
    *,
    preferences: pd.DataFrame,
    left_out: pd.DataFrame,
    pairs: pd.DataFrame,
    votes: pd.DataFrame,
    judgements: pd.DataFrame,
    consensus: pd.DataFrame,
    system_prompts: Mapping[str, str],
) -> tuple[Material, Counter[str]]:
    """Return the material, and the preferences that no trainer can use, by reason; arguments as `contents.gather` has them."""
    pairs = pairs.reset_index(drop=True)
    faults = {name: faults_of(pairs[name]) for name in TEXT_SIDES}
    texts: dict[str, Any] = {name: _in_one_piece(pairs[name], faults[name]) for name in TEXT_SIDES}
    told: dict[str, Any] = {f"{name}_fault": fault for name, fault in faults.items()}
    pairs = pairs.assign(language=project.language, system=_system_of(pairs, system_prompts), **texts, **told)
    pairs = pairs.assign(rank=np.argsort(_order(pairs, "prompt_id", "pair_id")), prompt_no=pd.factorize(pairs["prompt_id"])[0])
    votes, judgements = _placed(votes, pairs), _placed(judgements, pairs)
    ratings = rate(judgements)
    kept, broken = _usable(_placed(preferences.drop(columns=["prompt", "chosen", "rejected"]), pairs), pairs)
    kept = kept.assign(**of_pairs(kept, pairs, "pair_id"))
    undecided = _undecided(left_out, pairs, consensus, ratings)
    material = Material(
        project=project,
        pairs=pairs,
        kept=_with_provenance(kept, pairs, votes, ratings),
        bad=undecided[undecided["reason"] == Choice.BOTH_BAD],
        ties=undecided[undecided["reason"] == Choice.TIE],
        votes=votes,
        judgements=judgements,
    )
    return material, broken


def _in_one_piece(texts: pd.Series[str], faults: Numbers) -> Any:
    """Join texts that lie in several pieces, or to take some would join them all, each time; what no file stores is empty."""
    storable = texts.mask(faults == NOT_TEXT, "") if (faults == NOT_TEXT).any() else texts
    return pd.array(to_arrow(storable).cast(pa.large_string()), dtype="str")


def _order(frame: pd.DataFrame, *names: str) -> Numbers:
    """The rows sorted by columns of text or numbers, several times as fast as pandas does it."""
    keys = {name: pa.array(frame[name] if frame[name].dtype.kind == "i" else frame[name].astype(str)) for name in names}
    order: Numbers = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in names]).to_numpy()
    return order


def in_order(rows: pd.DataFrame, pairs: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Sort rows by the rank of their pairs, then by columns of their own."""
    return rows.take(_order(rows.assign(rank=pairs["rank"].to_numpy()[rows["place"]]), "rank", *names))


def part(frame: pd.DataFrame, wanted: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return the wanted rows: where they lie in few runs, as the test leaves them, as slices that copy nothing."""
    runs = np.flatnonzero(np.diff(wanted, prepend=False, append=False)).reshape(-1, 2)
    if 0 < len(runs) <= FEW_RUNS:
        return pd.concat([frame.iloc[start:end] for start, end in runs])
    return frame[wanted]


def _placed(frame: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Add to rows the place of their pair, which says all else of it; a row whose pair is not there goes."""
    asked, known = (pa.array(ids.astype(str), pa.large_string()) for ids in (frame["pair_id"], pairs["pair_id"]))
    found: Numbers = pc.index_in(asked, known).fill_null(-1).to_numpy().astype(np.int64)
    return part(frame, found >= 0).drop(columns="pair_id").assign(place=found[found >= 0])


def of_pairs(rows: pd.DataFrame, pairs: pd.DataFrame, *names: str) -> dict[str, Any]:
    """Return columns of the pairs that rows are about."""
    places = rows["place"].to_numpy()
    return {name: pairs[name].take(places).array for name in names}


def faults_of(texts: pd.Series[str]) -> Numbers:
    """Return for each text what is wrong with it, as a number of FAULTS."""
    texts = texts.fillna("")
    # Only what begins with a space can be blank: to strip every text would copy them all.
    blank = (texts.str.slice(0, 1).str.strip() == "").to_numpy(dtype=bool, copy=True)
    blank[blank] = (texts[blank].str.strip() == "").to_numpy(dtype=bool)
    return np.where(blank, EMPTY, np.where(is_written(texts), 0, NOT_TEXT))


def is_written(texts: pd.Series[str]) -> npt.NDArray[np.bool_]:
    """Which rows hold text that a file can store."""
    # A column of the string type is UTF-8 already; only objects can hold half a character.
    is_utf8 = isinstance(texts.dtype, pd.StringDtype)
    return (texts.notna() if is_utf8 else texts.map(is_text)).to_numpy(dtype=bool)


def without_faults(frame: pd.DataFrame, faults: Numbers) -> Counted:
    """Leave out the rows that have a fault, each under its reason."""
    found, counts = np.unique(faults[faults > 0], return_counts=True)
    return part(frame, faults == 0), Counter(dict(zip([FAULTS[one] for one in found], counts.tolist(), strict=True)))


def _usable(kept: pd.DataFrame, pairs: pd.DataFrame) -> Counted:
    """Preferences in order, without those no trainer can use."""
    kept = in_order(kept, pairs).reset_index(drop=True)
    places = kept["place"].to_numpy()
    same = (pairs["first"] == pairs["second"]).to_numpy(dtype=bool)[places]
    faults = [pairs[f"{name}_fault"].to_numpy()[places] for name in TEXT_SIDES]
    return without_faults(kept, np.maximum.reduce([IDENTICAL * same, *faults]))


def _system_of(pairs: pd.DataFrame, system_prompts: Mapping[str, str]) -> pd.Series[str]:
    """The system prompt of each pair: what its first response was asked under, else its second; empty where neither was."""
    if not system_prompts:
        return pd.Series("", index=pairs.index, dtype=object)
    first, second = (pairs[side].map(system_prompts).astype(object) for side in ("first_id", "second_id"))
    return first.where(first.notna(), second).fillna("").astype(object)


def _undecided(left_out: pd.DataFrame, pairs: pd.DataFrame, consensus: pd.DataFrame, ratings: pd.DataFrame) -> pd.DataFrame:
    """The pairs whose responses are both bad or equally good, with what is known of them."""
    told = left_out.loc[left_out["reason"].isin([Choice.BOTH_BAD, Choice.TIE]), ["pair_id", "reason"]]
    placed = _placed(told.merge(consensus, on="pair_id"), pairs)
    rated = ratings.reindex(placed["place"])
    return placed.assign(
        **of_pairs(placed, pairs, "first_id", "second_id", "first_source", "second_source"),
        agreement=placed["support"],
        judge=rated["judge"].to_numpy(),
        first_rating=rated["rating_first"].to_numpy(),
        second_rating=rated["rating_second"].to_numpy(),
    )


def _with_provenance(kept: pd.DataFrame, pairs: pd.DataFrame, votes: pd.DataFrame, ratings: pd.DataFrame) -> pd.DataFrame:
    """Add to preferences what their pair tells, and say of each side its share of the votes and its rating.

    Adds `agreement, judge, is_first, score_chosen` and `score_rejected` (shares of the votes), `margin` (the lead, never below
    0), `chosen_rating` and `rejected_rating`.
    """
    places = kept["place"].to_numpy()
    is_first = (kept["chosen_id"].array == of_pairs(kept, pairs, "first_id")["first_id"]).astype(bool)
    first, second = (share[places] for share in _shares(votes, len(pairs)))
    rated = ratings.reindex(places)
    of_first, of_second = rated["rating_first"].to_numpy(), rated["rating_second"].to_numpy()
    told = kept.assign(
        agreement=kept["support"],
        judge=rated["judge"].to_numpy(),
        is_first=is_first,
        score_chosen=np.where(is_first, first, second),
        score_rejected=np.where(is_first, second, first),
        chosen_rating=np.where(is_first, of_first, of_second),
        rejected_rating=np.where(is_first, of_second, of_first),
    )
    return told.assign(margin=(told["score_chosen"] - told["score_rejected"]).clip(lower=0.0))


def _shares(votes: pd.DataFrame, n_pairs: int) -> Iterable[npt.NDArray[np.float64]]:
    """The share of the votes for the first and for the second response, by place; ties and both_bad count in the total."""
    opinions = votes[votes["choice"] != Choice.SKIP]
    total = np.bincount(opinions["place"], minlength=n_pairs)
    for side in (Choice.FIRST, Choice.SECOND):
        won = np.bincount(opinions.loc[opinions["choice"] == side, "place"], minlength=n_pairs)
        yield won / np.maximum(total, 1)


def rate(judgements: pd.DataFrame) -> pd.DataFrame:
    """Return by place `rating_first, rating_second` (means over judges and orders) and `judge` (their names)."""
    means = judgements.groupby("place", sort=True)[["rating_first", "rating_second"]].mean()
    names = judgements[["place", "judge"]].drop_duplicates().sort_values(["place", "judge"])
    seat = names.groupby("place").cumcount()
    told = names[seat == 0].set_index("place")["judge"].astype(object)
    # Few pairs have several judges, and each turn adds one: to join them group by group takes a second for 10,000 pairs.
    for turn in range(1, int(seat.max()) + 1 if len(seat) else 0):
        more = names[seat == turn].set_index("place")["judge"]
        told.loc[more.index] = told.loc[more.index] + ", " + more
    return means.assign(judge=told)
