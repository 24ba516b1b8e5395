"""Rows: what stands in each format, before it is laid out.

Material of one project comes in; for each format a flat frame goes out, sorted, with the number of rows this format alone
leaves out, by reason. Frames go without what their pairs tell, texts above all; `complete` adds it where rows are written.
Changes nothing, reads no files.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ExportError
from pipeline.material import (
    FAULTS,
    NOT_TEXT,
    Counted,
    Material,
    Numbers,
    faults_of,
    in_order,
    is_written,
    of_pairs,
    part,
    without_faults,
)
from pipeline.records import Choice
from pipeline.shapes import PAIRED, TEXT_SIDES, Format, to_arrow

_OF_BOTH_SIDES = ("place", "n_votes", "agreement", "confidence", "method", "judge")


def rows_of(kind: Format, material: Material) -> Counted:
    """Return the flat frame of one format, sorted, and the rows that this format alone leaves out.

    Each row has `place`, the row of its pair. Rows of one answer have `is_first`, whether it is the pair's first, and in `sft`
    `edit`, the wording that takes its place, if any.
    """
    if kind in PAIRED:
        return material.kept, Counter()
    return {Format.KTO: _kto, Format.SFT: _sft, Format.VOTES: _votes, Format.JUDGEMENTS: _judgements}[kind](material)


def complete(rows: pd.DataFrame, pairs: pd.DataFrame, names: Collection[str]) -> dict[str, pa.Array]:
    """Return the named columns of rows: their own, what stands in `pairs`, and which side is meant by it."""
    places = rows["place"].to_numpy()

    def told(name: str) -> pa.Array:
        return to_arrow(rows[name] if name in rows else pairs[name].array.take(places))

    found = {name: told(name) for name in names if name not in ("chosen", "rejected", "completion", "at")}
    if {"chosen", "rejected", "completion"} & set(names):
        is_first, first, second = told("is_first"), told("first"), told("second")
        found["chosen"] = found["completion"] = pc.if_else(is_first, first, second)
        if "rejected" in names:
            found["rejected"] = pc.if_else(is_first, second, first)
        if "edit" in rows:
            found["completion"] = pc.coalesce(told("edit").cast(first.type), found["completion"])
    if "at" in names:
        found["at"] = iso(rows["at"])
    return {name: found[name] for name in names}


def to_frame(rows: pd.DataFrame, pairs: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
    """Return the columns of `complete` as a frame, with the index of the rows."""
    frame: pd.DataFrame = pa.table(complete(rows, pairs, names)).to_pandas()
    return frame.set_axis(rows.index)


def _kto(material: Material) -> Counted:
    """One row per answer: winners and equally good ones are wanted; losers and both sides of a bad pair are not."""
    kept, bad, ties, pairs = material.kept, material.bad, material.ties, material.pairs
    won, both = kept["is_first"], {"first": True, "second": False}
    sides: list[tuple[pd.DataFrame, str, pd.Series[bool] | bool, bool, str]]
    sides = [(kept, "chosen", won, True, "won"), (kept, "rejected", ~won, False, "lost")]
    sides += [(bad, side, is_first, False, "both_bad") for side, is_first in both.items()]
    sides += [(ties, side, is_first, True, "tie") for side, is_first in both.items()]
    frame = pd.concat(
        [
            pd.DataFrame(
                {
                    **{name: rows[name] for name in _OF_BOTH_SIDES},
                    "is_first": is_first,
                    "source": rows[f"{side}_source"],
                    "response_id": rows[f"{side}_id"],
                    "rating": rows[f"{side}_rating"].astype(float),
                    "label": label,
                    "outcome": outcome,
                }
            )
            for rows, side, is_first, label, outcome in sides
            if len(rows) or rows is kept
        ],
        ignore_index=True,
    )
    frame, left_out = without_faults(frame, _faults_of_answers(frame, pairs))
    again = _said_again(frame, pairs)
    labels = frame["label"].loc[again.index].groupby([again["prompt_no"], again["completion"]]).transform("nunique")
    contradicted = frame.index.isin(again.index[labels > 1])
    left_out["won_and_lost"] = int(contradicted.sum())
    return _once(in_order(part(frame, ~contradicted), pairs, "response_id"), pairs, left_out)


def _faults_of_answers(frame: pd.DataFrame, pairs: pd.DataFrame) -> Numbers:
    """What is wrong with the prompt or the answer of each row."""
    prompt, first, second = (pairs[f"{name}_fault"].to_numpy()[frame["place"]] for name in TEXT_SIDES)
    faults: Numbers = np.maximum(prompt, np.where(frame["is_first"], first, second))
    return faults


def _said_again(frame: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """`prompt_no, completion` of the rows whose answer may stand there twice: only those of one length are worth comparing."""
    first, second = (pairs[name].str.len().to_numpy()[frame["place"]] for name in ("first", "second"))
    sizes = np.where(frame["is_first"], first, second)
    if "edit" in frame:
        sizes = np.where(frame["edit"].notna(), frame["edit"].str.len(), sizes)
    prompts = of_pairs(frame, pairs, "prompt_no")["prompt_no"]
    likely = frame[pd.DataFrame({"prompt": prompts, "size": sizes}).duplicated(keep=False).to_numpy()]
    return to_frame(likely, pairs, ["prompt_no", "completion"])


def _once(frame: pd.DataFrame, pairs: pd.DataFrame, left_out: Counter[str]) -> Counted:
    """Leave out an answer that stands in the frame already."""
    again = _said_again(frame, pairs)
    repeated = frame.index.isin(again.index[again.duplicated()])
    left_out["same_answer"] = int(repeated.sum())
    return part(frame, ~repeated), +left_out


def _sft(material: Material) -> Counted:
    """One row per winning answer; the newest edit by an annotator who chose that answer takes its place."""
    kept, votes = material.kept, material.votes
    edits = votes[votes["edited"].fillna("").str.strip() != ""].sort_values(["at", "annotator"])
    won = np.full(len(material.pairs), "", dtype=object)
    won[kept["place"]] = np.where(kept["is_first"], str(Choice.FIRST), str(Choice.SECOND))
    edits = edits[edits["choice"] == won[edits["place"]]].drop_duplicates("place", keep="last").set_index("place")
    frame = kept.assign(source=kept["chosen_source"], rating=kept["chosen_rating"], edited=False)
    faults = _faults_of_answers(frame, material.pairs)
    if len(edits):
        newest = edits["edited"].astype(object).reindex(kept["place"]).set_axis(kept.index)
        frame = frame.assign(edit=newest, edited=newest.notna())
        faults = np.where(frame["edited"], faults_of(newest), faults)
    frame, left_out = without_faults(frame, faults)
    return _once(frame, material.pairs, left_out)


def _votes(material: Material) -> Counted:
    """Latest votes, skips too, under pseudonyms; `shown_first` says which response was seen first."""
    names, votes = (
        ("place", "annotator", "choice", "shown_first", "reason", "edited", "seconds", "guidelines_version", "at"),
        material.votes,
    )
    codes, people = pd.factorize(votes["annotator"].astype(str))
    pseudonyms = [pseudonym(name, key=material.project.order_key) for name in people]
    # As text: a column of codes would keep the order of the real names.
    frame = votes[list(names)].assign(annotator=_decoded(codes, pseudonyms), shown_first=_sides_shown(votes, material.pairs))
    return _written(frame, ("reason", "edited"), material.pairs, "annotator")


def _judgements(material: Material) -> Counted:
    """What each judge said, in each order."""
    frame = material.judgements.assign(shown_first=_sides_shown(material.judgements, material.pairs))
    return _written(frame, ("rationale",), material.pairs, "judge", "shown_first")


def _sides_shown(said: pd.DataFrame, pairs: pd.DataFrame) -> Any:
    """`first` or `second` for what was seen first, empty where that is not known."""
    shown, known = said["shown_first"].array, of_pairs(said, pairs, "first_id", "second_id")
    codes = np.where(shown == known["first_id"], 1, np.where(shown == known["second_id"], 2, 0))
    return _decoded(codes, ["", str(Choice.FIRST), str(Choice.SECOND)])


def _decoded(codes: Numbers, names: Sequence[str]) -> Any:
    """A column of texts from numbers, without an object of Python's for each row."""
    texts = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names, pa.large_string()))
    return pd.array(texts.cast(pa.large_string()), dtype="str")


def _written(frame: pd.DataFrame, names: Collection[str], pairs: pd.DataFrame, *order: str) -> Counted:
    """Sort what was said; what no file can store, of it or of its pair, goes."""
    fine = np.logical_and.reduce([is_written(frame[name]) for name in names])
    for name in TEXT_SIDES:
        fine &= pairs[f"{name}_fault"].to_numpy()[frame["place"]] != NOT_TEXT
    return in_order(part(frame, fine), pairs, *order), +Counter({FAULTS[NOT_TEXT]: int((~fine).sum())})


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


def iso(moments: pd.Series[pd.Timestamp]) -> pa.Array:
    """Return moments as texts, ISO 8601 in UTC with microseconds."""
    # Not by strftime: half a million votes would take seconds.
    told = pa.array(pd.to_datetime(moments, utc=True).dt.tz_localize(None), pa.timestamp("us"), safe=False).cast(pa.string())
    return pc.binary_join_element_wise(pc.utf8_replace_slice(told, 10, 11, "T"), "+00:00", "")
