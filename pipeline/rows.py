"""Rows: what stands in each format, one text per cell, before it is laid out.

Frames of one project come in; for each format a flat frame goes out, sorted, with the number of rows this format alone
leaves out, by reason. Changes nothing, reads no files.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ExportError
from pipeline.records import Choice, Project
from pipeline.shapes import TEXT_SIDES, Format, is_text

FEW_RUNS = 500

Places = npt.NDArray[np.int64]
Counted = tuple[pd.DataFrame, Counter[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the rows are made of.

    `kept`: one row per preference, with its provenance. `bad`, `ties`: pairs whose responses are both bad, or equally
    good. `votes`: those that count, with `prompt_id`. `judgements`: likewise. `pairs`: all pairs.
    """

    project: Project
    kept: pd.DataFrame
    bad: pd.DataFrame
    ties: pd.DataFrame
    pairs: pd.DataFrame
    votes: pd.DataFrame
    judgements: pd.DataFrame

    def only(self, prompt_ids: Collection[str], *, others: bool = False) -> Material:
        """Return the part of these prompts, or of all others."""
        names = ("kept", "bad", "ties", "votes", "judgements")
        frames = ((name, getattr(self, name)) for name in names)
        parts: dict[str, Any] = {name: _part(frame, frame["prompt_id"].isin(prompt_ids) != others) for name, frame in frames}
        return replace(self, **parts)

    def prompts(self) -> pd.DataFrame:
        """Return `prompt_id, prompt, kind` of every prompt that can stand in a file.

        `kind` is whose answer was chosen, and the annotation type; empty without a preference.
        """
        used = pd.concat([getattr(self, name)["prompt_id"] for name in ("kept", "bad", "ties", "votes", "judgements")])
        known = self.pairs.drop_duplicates("prompt_id").set_index("prompt_id")[["prompt", "annotation_type"]]
        winners = self.kept.drop_duplicates("prompt_id").set_index("prompt_id")["chosen_source"]
        rows = known.reindex(pd.Index(used.unique(), name="prompt_id"))
        won = winners.reindex(rows.index).fillna("").astype(str)
        of_type = ", " + rows["annotation_type"].fillna("").astype(str)
        kind = won.where((of_type == ", ") | (won == ""), won + of_type)
        return rows.assign(kind=kind)[["prompt", "kind"]].reset_index()


def rows_of(kind: Format, material: Material) -> Counted:
    """Return the flat frame of one format, sorted, and the rows that this format alone leaves out."""
    if kind is Format.KTO:
        return _kto(material)
    if kind is Format.SFT:
        return _sft(material.kept, material.votes)
    if kind is Format.VOTES:
        return _votes(material)
    if kind is Format.JUDGEMENTS:
        return _judgements(material)
    return material.kept, Counter()


def without_broken(frame: pd.DataFrame, texts: tuple[str, ...]) -> Counted:
    """Leave out rows no trainer can use, each under its reason."""
    reason = pd.Series("", index=frame.index, dtype=object)
    blank = pd.concat([frame[name].fillna("").str.strip() == "" for name in texts], axis=1).any(axis=1)
    if "rejected" in texts:
        reason = reason.mask(frame["chosen"] == frame["rejected"], "identical")
    reason = reason.mask(~_written(frame, texts), "not_text").mask(blank, "empty")
    return _part(frame, reason == ""), Counter(reason[reason != ""].tolist())


def _part(frame: pd.DataFrame, wanted: pd.Series[bool]) -> pd.DataFrame:
    """Return the wanted rows: where they lie in few runs, as the test leaves them, as slices that copy no text."""
    runs = np.flatnonzero(np.diff(wanted.to_numpy(dtype=bool), prepend=False, append=False)).reshape(-1, 2)
    if 0 < len(runs) <= FEW_RUNS:
        return pd.concat([frame.iloc[start:end] for start, end in runs])
    return frame[wanted]


def _sorted(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Sort by columns of text, several times as fast as pandas does."""
    keys = pa.table({name: pa.array(frame[name].astype(str), pa.large_string()) for name in names})
    return frame.take(pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in names]))


def places_of(pair_ids: pd.Series[str], pairs: pd.DataFrame) -> Places:
    """Return for each pair id its row in `pairs`, -1 where it has none."""
    asked, known = (pa.array(ids.astype(str), pa.large_string()) for ids in (pair_ids, pairs["pair_id"]))
    found: Places = pc.index_in(asked, known).fill_null(-1).to_numpy()
    return found


def _written(frame: pd.DataFrame, names: Iterable[str]) -> pd.Series[bool]:
    """Which rows hold text that a file can store, in all these columns."""
    fine = pd.Series(True, index=frame.index)
    for name in names:
        # A column of the string type is UTF-8 already; only objects can hold half a character.
        if isinstance(frame[name].dtype, pd.StringDtype):
            fine &= frame[name].notna()
        else:
            fine &= frame[name].map(is_text).astype(bool)
    return fine


def with_provenance(kept: pd.DataFrame, pairs: pd.DataFrame, votes: pd.DataFrame, judgements: pd.DataFrame) -> pd.DataFrame:
    """Add to preferences what their pair tells, and say of each side its share of the votes and its rating.

    Adds `agreement, system, judge, winner` (the Choice that names the chosen response), `score_chosen` and `score_rejected`
    (shares of the votes), `margin` (the lead, never below 0), `chosen_rating` and `rejected_rating`.
    """
    pair = pairs.set_index("pair_id")
    told = kept.assign(agreement=kept["support"], system=kept["pair_id"].map(pair["system"]))
    first_wins = told["chosen_id"] == told["pair_id"].map(pair["first_id"])
    first, second = str(Choice.FIRST), str(Choice.SECOND)
    winner = first_wins.map({True: first, False: second})
    shares = _shares(votes).reindex(told["pair_id"]).fillna(0.0)
    ratings = rate(judgements).reindex(told["pair_id"])
    for name, is_first in (("chosen", first_wins), ("rejected", ~first_wins)):
        side = is_first.to_numpy()
        told[f"score_{name}"] = shares[first].where(side, shares[second]).to_numpy()
        told[f"{name}_rating"] = ratings["rating_first"].where(side, ratings["rating_second"]).to_numpy()
    margin = (told["score_chosen"] - told["score_rejected"]).clip(lower=0.0)
    return told.assign(winner=winner, judge=ratings["judge"].to_numpy(), margin=margin)


def _shares(votes: pd.DataFrame) -> pd.DataFrame:
    """The share of the votes for each response of a pair, by pair; ties and both_bad count in the total."""
    opinions = votes[votes["choice"] != Choice.SKIP]
    sides = {str(side): (opinions["choice"] == side).astype(float) for side in (Choice.FIRST, Choice.SECOND)}
    return pd.DataFrame(sides).groupby(opinions["pair_id"]).mean()


def rate(judgements: pd.DataFrame) -> pd.DataFrame:
    """Return by pair `rating_first, rating_second` (means over judges and orders) and `judge` (their names)."""
    means = judgements.groupby("pair_id", sort=True)[["rating_first", "rating_second"]].mean()
    names = judgements[["pair_id", "judge"]].drop_duplicates().sort_values(["pair_id", "judge"])
    place = names.groupby("pair_id").cumcount()
    told = names[place == 0].set_index("pair_id")["judge"].astype(object)
    # Few pairs have several judges, and each turn adds one: to join them group by group takes a second for 10,000 pairs.
    for turn in range(1, int(place.max()) + 1 if len(place) else 0):
        more = names[place == turn].set_index("pair_id")["judge"]
        told.loc[more.index] = told.loc[more.index] + ", " + more
    return means.assign(judge=told)


def _kto(material: Material) -> Counted:
    """One row per answer: winners and equally good ones are wanted; losers and both sides of a bad pair are not."""
    kept, bad, ties = material.kept, material.bad, material.ties
    sides = [(kept, "chosen", True, "won"), (kept, "rejected", False, "lost")]
    sides += [(bad, side, False, "both_bad") for side in ("first", "second")]
    sides += [(ties, side, True, "tie") for side in ("first", "second")]
    frame = pd.concat(
        [
            pd.DataFrame(
                {
                    **{name: rows[name] for name in _OF_PAIR},
                    "completion": rows[side],
                    "source": rows[f"{side}_source"],
                    "response_id": rows[f"{side}_id"],
                    "rating": rows[f"{side}_rating"].astype(float),
                    "label": label,
                    "outcome": outcome,
                }
            )
            for rows, side, label, outcome in sides
            if len(rows) or rows is kept
        ],
        ignore_index=True,
    )
    frame, left_out = without_broken(frame, ("prompt", "completion"))
    contradicted = _said_again(frame)
    again = frame[contradicted]
    contradicted[contradicted] = (
        again["label"].groupby([again["prompt_id"], again["completion"]]).transform("nunique").to_numpy() > 1
    )
    left_out["won_and_lost"] = int(contradicted.sum())
    frame = _part(frame, ~contradicted)
    return _once(_sorted(frame, "prompt_id", "pair_id", "response_id"), left_out)


_OF_PAIR = ("prompt_id", "pair_id", "prompt", "system", "n_votes", "agreement", "confidence", "method", "judge", "language")


def _once(frame: pd.DataFrame, left_out: Counter[str]) -> Counted:
    """Leave out an answer that stands in the frame already."""
    repeated = _said_again(frame)
    repeated[repeated] = frame[repeated].duplicated(["prompt_id", "completion"]).to_numpy()
    left_out["same_answer"] = int(repeated.sum())
    return _part(frame, ~repeated), +left_out


def _said_again(frame: pd.DataFrame) -> pd.Series[bool]:
    """Say which rows may hold an answer that stands there twice: only those of one length are worth comparing."""
    sizes = pd.DataFrame({"prompt_id": frame["prompt_id"], "size": frame["completion"].str.len()})
    return sizes.duplicated(keep=False)


def _sft(kept: pd.DataFrame, votes: pd.DataFrame) -> Counted:
    """One row per winning answer; the newest edit by an annotator who chose that answer takes its place."""
    edits = votes[votes["edited"].fillna("").str.strip() != ""].sort_values(["at", "annotator"])
    edits = edits[edits["choice"] == edits["pair_id"].map(kept.set_index("pair_id")["winner"])]
    newest = kept["pair_id"].map(edits.drop_duplicates("pair_id", keep="last").set_index("pair_id")["edited"]).astype(object)
    frame = kept.assign(
        completion=newest.where(newest.notna(), kept["chosen"]) if len(edits) else kept["chosen"],
        source=kept["chosen_source"],
        rating=kept["chosen_rating"],
        edited=newest.notna(),
    )
    return _once(*without_broken(frame, ("prompt", "completion")))


def _votes(material: Material) -> Counted:
    """Latest votes, skips too, under pseudonyms; `shown_first` says which response was seen first. Without the texts."""
    frame = _of_pairs(material.votes, material)
    names = {name: pseudonym(name, key=material.project.order_key) for name in frame["annotator"].unique()}
    # As text: a column of codes would keep the order of the real names.
    frame = frame.assign(annotator=frame["annotator"].astype(str).map(names))
    written = _written(frame, ("reason", "edited")) & _pair_is_written(frame, material.pairs)
    frame = _sorted(_part(frame, written), "prompt_id", "pair_id", "annotator")
    return frame, +Counter({"not_text": int((~written).sum())})


def _judgements(material: Material) -> Counted:
    """What each judge said, in each order. Without the texts of the pair."""
    frame = _of_pairs(material.judgements, material)
    written = _written(frame, ("rationale",)) & _pair_is_written(frame, material.pairs)
    frame = _sorted(_part(frame, written), "prompt_id", "pair_id", "judge", "shown_first")
    return frame, +Counter({"not_text": int((~written).sum())})


def _of_pairs(said: pd.DataFrame, material: Material) -> pd.DataFrame:
    """Add the sources, and tell the order as `first` or `second`."""
    places = places_of(said["pair_id"], material.pairs)
    frame, places = _part(said, pd.Series(places >= 0, index=said.index)), places[places >= 0]
    of_pair = material.pairs[["first_id", "second_id", "first_source", "second_source"]].take(places).set_axis(frame.index)
    side = pd.Series("", index=frame.index, dtype=object)
    side = side.mask(frame["shown_first"] == of_pair["first_id"], str(Choice.FIRST))
    side = side.mask(frame["shown_first"] == of_pair["second_id"], str(Choice.SECOND))
    sources = of_pair[["first_source", "second_source"]]
    return frame.assign(**sources, shown_first=side, at=iso(frame["at"]), language=material.project.language)


def _pair_is_written(frame: pd.DataFrame, pairs: pd.DataFrame) -> pd.Series[bool]:
    broken = set(pairs.loc[~_written(pairs, TEXT_SIDES), "pair_id"])
    return ~frame["pair_id"].isin(broken)


def pseudonym(annotator: str, *, key: str) -> str:
    """Return a name that stays the same from release to release and cannot be turned back without the key.

    Raises:
        ExportError: The project has no key, so that names could be found by trying them.
    """
    if not key:
        raise ExportError(
            "The votes cannot be exported: this project has no secret key, so annotators could be recognised.",
            hint="Export the other formats, or make the project anew with: python -m pipeline new.",
        )
    digest = hmac.new(key.encode(), f"annotator:{annotator}".encode(), hashlib.sha256).hexdigest()
    return f"annotator-{digest[:8]}"


def iso(moments: pd.Series[pd.Timestamp]) -> pd.Series[str]:
    """Return moments as ISO 8601 in UTC with microseconds."""
    # Not by strftime: half a million votes would take seconds.
    told = pa.array(pd.to_datetime(moments, utc=True).dt.tz_localize(None), pa.timestamp("us"), safe=False).cast(pa.string())
    told = pc.binary_join_element_wise(pc.utf8_replace_slice(told, 10, 11, "T"), "+00:00", "")
    texts: pd.Series[str] = told.to_pandas()
    return texts.set_axis(moments.index)
