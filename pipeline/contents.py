"""Contents: what will a release hold, row for row, before anything is written?

Frames of a project and the options of a release come in; `Contents` goes out. Each pair that gives no preference, and each
row that one format leaves out, is counted under a reason. Changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import pandas as pd
import pyarrow as pa

from pipeline import splits
from pipeline.records import Choice, Project
from pipeline.rows import Material, iso, places_of, rate, rows_of, with_provenance, without_broken
from pipeline.shapes import RAW, TEXT_SIDES, Format, Layout, Row, Shape, Split, parse_formats, shape_of, to_table
from pipeline.splits import HELD_OUT, SplitReport

ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOptions:
    """How a release is made: how rows are laid out, with the system prompt or without, how many prompts are held out.

    `evaluation` are the prompts of an evaluation set, to be left out of everything, `evaluation_name` its file. `jsonl` asks
    for each file as lines of JSON too.
    """

    layout: Layout = Layout.MESSAGES
    with_system: bool = False
    held_out: int = HELD_OUT
    evaluation: Sequence[str] = ()
    evaluation_name: str = ""
    jsonl: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a release will hold.

    `frames` are flat, one text per cell, sorted, with more columns than are written; those of the formats `votes` and
    `judgements` go without the texts of their pairs, which stand in `pairs`. `excluded` counts pairs that give no
    preference, by reason; `excluded_by_format` counts rows that one format alone leaves out. `counts`: `pairs, votes,
    skipped, annotators, prompts, preferences`; skips are no votes.
    """

    project: Project
    options: ReleaseOptions
    frames: Mapping[tuple[Format, Split], pd.DataFrame]
    pairs: pd.DataFrame
    split_report: SplitReport
    excluded: Mapping[str, int]
    excluded_by_format: Mapping[str, Mapping[str, int]]
    chosen_by_source: Mapping[str, int]
    counts: Mapping[str, int]
    last_vote_at: str

    @property
    def splits(self) -> dict[str, dict[str, int]]:
        """The number of rows by format and split."""
        sizes: dict[str, dict[str, int]] = {}
        for (kind, split), frame in self.frames.items():
            sizes.setdefault(str(kind), {})[str(split)] = len(frame)
        return sizes

    def shape(self, kind: Format) -> Shape:
        """Return the columns in which a format is written."""
        return shape_of(kind, self.options.layout, with_system=self.options.with_system)

    def prompts(self, split: Split) -> set[str]:
        """Return the prompts that stand in a split, in whatever format."""
        there = {prompt for (_, each), frame in self.frames.items() if each is split for prompt in frame["prompt_id"]}
        return set(self.pairs.loc[self.pairs["prompt_id"].isin(there), "prompt"])

    def tables(self, kind: Format, split: Split, *, rows: int = ROWS_AT_ONCE) -> Iterator[pa.Table]:
        """Yield a part as it is written, so many rows at a time."""
        frame, shape = self.frames[kind, split], self.shape(kind)
        pair_of = places_of(frame["pair_id"], self.pairs) if kind in RAW else None
        for start in range(0, len(frame), rows):
            piece = frame.iloc[start : start + rows]
            if pair_of is not None:
                texts = self.pairs[list(TEXT_SIDES)].iloc[pair_of[start : start + rows]]
                piece = piece.assign(**{name: texts[name].array for name in TEXT_SIDES})
            yield to_table(shape, piece)

    def preview(self, kind: Format, *, limit: int = 5) -> list[Row]:
        """Return the first rows of a format exactly as they will be written."""
        parts = (split for each, split in self.frames if each == kind)
        tables = (table for split in parts for table in self.tables(kind, split, rows=limit))
        return list(islice((row for table in tables for row in table.to_pylist()), limit))


def gather(
    project: Project,
    *,
    preferences: pd.DataFrame,
    left_out: pd.DataFrame,
    pairs: pd.DataFrame,
    votes: pd.DataFrame,
    judgements: pd.DataFrame,
    consensus: pd.DataFrame,
    formats: Iterable[str] = ("all",),
    system_prompts: Mapping[str, str] | None = None,
    options: ReleaseOptions | None = None,
) -> Contents:
    """Say what a release of these formats holds.

    Args:
        project: Its seed draws the split; its order key makes the annotators' pseudonyms.
        preferences: As `curate.Curation.preferences`.
        left_out: Columns `pair_id, reason`: why curation left a pair out.
        pairs: As `Store.pairs` returns them.
        votes: As `Store.votes` returns them, skips too.
        judgements: As `Store.judgements` returns them.
        consensus: Columns `pair_id, n_votes, support, confidence, method`.
        formats: Names of formats, or `all`.
        system_prompts: The system prompt that a response was asked under, by the response's id.
        options: How the release is made.

    Raises:
        ExportError: A format is not known.
    """
    wanted, options = parse_formats(formats), options or ReleaseOptions()
    kept, broken = without_broken(preferences, ("prompt", "chosen", "rejected"))
    excluded = Counter(left_out["reason"].tolist()) + broken
    pairs = pairs.assign(system=_system_of(pairs, system_prompts or {}))
    material = _material(project, kept, left_out, pairs, votes, judgements, consensus)
    known = splits.find_in_evaluation(material.prompts(), options.evaluation) if options.evaluation else set()
    clean, by_format = _without_evaluation(material, known, wanted)
    excluded["in_evaluation"] += len(material.kept) - len(clean.kept)
    drawn, report = splits.draw(clean.prompts(), seed=project.seed, held_out=options.held_out)
    frames: dict[tuple[Format, Split], pd.DataFrame] = {}
    held_out = [prompt for prompt, place in drawn.items() if place is Split.TEST]
    for split in Split:
        part = clean.only(held_out, others=split is Split.TRAIN)
        for kind in wanted:
            frame, dropped = rows_of(kind, part)
            by_format[str(kind)].update(dropped)
            if len(frame):
                frames[kind, split] = frame
    opinions = votes[votes["choice"] != Choice.SKIP]
    return Contents(
        project=project,
        options=options,
        frames={(kind, split): frames[kind, split] for kind in wanted for split in Split if (kind, split) in frames},
        pairs=pairs,
        split_report=_told(report, options, len(known)),
        excluded=dict(sorted((+excluded).items())),
        excluded_by_format={kind: dict(sorted(counted.items())) for kind, counted in by_format.items() if counted},
        chosen_by_source=dict(sorted(Counter(clean.kept["chosen_source"].tolist()).items())),
        counts={
            "pairs": len(pairs),
            "votes": len(opinions),
            "skipped": len(votes) - len(opinions),
            "annotators": int(opinions["annotator"].nunique()),
            "prompts": int(clean.kept["prompt_id"].nunique()),
            "preferences": len(clean.kept),
        },
        last_vote_at=max(iso(votes["at"].sort_values().tail(1)), default=""),
    )


def _system_of(pairs: pd.DataFrame, system_prompts: Mapping[str, str]) -> pd.Series[str]:
    """The system prompt of each pair: what its first response was asked under, else its second; empty where neither was."""
    first, second = (pairs[side].map(system_prompts).astype(object) for side in ("first_id", "second_id"))
    return first.where(first.notna(), second).fillna("").astype(str)


def _material(
    project: Project,
    kept: pd.DataFrame,
    left_out: pd.DataFrame,
    pairs: pd.DataFrame,
    votes: pd.DataFrame,
    judgements: pd.DataFrame,
    consensus: pd.DataFrame,
) -> Material:
    told = with_provenance(kept, pairs, votes, judgements).assign(language=project.language)
    undecided = pairs.drop(columns="n_votes").merge(left_out[["pair_id", "reason"]], on="pair_id").merge(consensus, on="pair_id")
    undecided = undecided.assign(agreement=undecided["support"], language=project.language)
    ratings = rate(judgements).reindex(undecided["pair_id"])
    undecided = undecided.assign(
        judge=ratings["judge"].to_numpy(),
        first_rating=ratings["rating_first"].to_numpy(),
        second_rating=ratings["rating_second"].to_numpy(),
    )
    prompt_of = pairs.set_index("pair_id")["prompt_id"]
    return Material(
        project=project,
        kept=told.sort_values(["prompt_id", "pair_id"]),
        bad=undecided[undecided["reason"] == Choice.BOTH_BAD],
        ties=undecided[undecided["reason"] == Choice.TIE],
        pairs=pairs,
        votes=votes.assign(prompt_id=votes["pair_id"].map(prompt_of)),
        judgements=judgements.assign(prompt_id=judgements["pair_id"].map(prompt_of)),
    )


def _without_evaluation(
    material: Material, known: set[str], wanted: Sequence[Format]
) -> tuple[Material, dict[str, Counter[str]]]:
    """Leave the prompts of an evaluation set out of everything; rows that stood for no preference are counted by format."""
    by_format: dict[str, Counter[str]] = {str(kind): Counter() for kind in wanted}
    if not known:
        return material, by_format
    clean = material.only(known, others=True)
    gone = {name: len(getattr(material, name)) - len(getattr(clean, name)) for name in ("bad", "ties", "votes", "judgements")}
    rows = {Format.KTO: 2 * (gone["bad"] + gone["ties"]), Format.VOTES: gone["votes"], Format.JUDGEMENTS: gone["judgements"]}
    for kind, dropped in rows.items():
        if kind in wanted and dropped:
            by_format[str(kind)]["in_evaluation"] = dropped
    return clean, by_format


def _told(report: SplitReport, options: ReleaseOptions, found: int) -> SplitReport:
    """Say in the report what was compared against."""
    return replace(
        report, evaluation=options.evaluation_name, evaluation_prompts=len(set(options.evaluation)), in_evaluation=found
    )
