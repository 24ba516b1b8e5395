"""Contents: what will a release hold, row for row, before anything is written?

Frames of a project and the options of a release come in; `Contents` goes out. Each pair that gives no preference, and each
row that one format leaves out, is counted under a reason. Changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import pandas as pd
import pyarrow as pa

from pipeline import splits
from pipeline.material import Material, part, prepare
from pipeline.records import Choice, Project
from pipeline.rows import complete, iso, rows_of, to_frame
from pipeline.shapes import PAIRED, Format, Layout, Row, Shape, Split, parse_formats, shape_of, to_table
from pipeline.splits import HELD_OUT, SplitReport

ROWS_AT_ONCE = 5_000


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

    `frames` are flat and sorted, with more columns than are written, and without what stands in `pairs`: texts above all.
    `complete` adds that. `excluded` counts pairs that give no
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
        places = {place for (_, each), frame in self.frames.items() if each is split for place in frame["place"].unique()}
        return set(self.pairs["prompt"].take(sorted(places)))

    def complete(self, rows: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
        """Return the named columns of rows of `frames`, those that their pairs tell too."""
        return to_frame(rows, self.pairs, names)

    def tables(self, kind: Format, split: Split, *, rows: int = ROWS_AT_ONCE) -> Iterator[pa.Table]:
        """Yield a part as it is written, so many rows at a time."""
        frame, shape = self.frames[kind, split], self.shape(kind)
        for start in range(0, len(frame), rows):
            yield to_table(shape, complete(frame.iloc[start : start + rows], self.pairs, shape.flat))

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
    material, broken = prepare(
        project,
        preferences=preferences,
        left_out=left_out,
        pairs=pairs,
        votes=votes,
        judgements=judgements,
        consensus=consensus,
        system_prompts=system_prompts or {},
    )
    known = splits.find_in_evaluation(material.prompts(), options.evaluation) if options.evaluation else set()
    clean = material.without(known) if known else material
    drawn, report = splits.draw(clean.prompts(), seed=project.seed, held_out=options.held_out)
    rows = {kind: rows_of(kind, clean) for kind in wanted}
    held_out = [prompt for prompt, split in drawn.items() if split is Split.TEST]
    frames = _frames(clean, {kind: found for kind, (found, _) in rows.items()}, held_out)
    by_format = {str(kind): left_out for kind, (_, left_out) in rows.items()}
    for kind, gone in _in_evaluation(material, clean).items():
        by_format.get(str(kind), Counter())["in_evaluation"] += gone
    excluded = Counter(left_out["reason"].tolist()) + broken
    excluded["in_evaluation"] += len(material.kept) - len(clean.kept)
    return Contents(
        project=project,
        options=options,
        frames=frames,
        pairs=material.pairs,
        split_report=_told(report, options, len(known)),
        excluded=dict(sorted((+excluded).items())),
        excluded_by_format={kind: dict(sorted((+counted).items())) for kind, counted in by_format.items() if +counted},
        chosen_by_source=dict(sorted(Counter(clean.kept["chosen_source"].tolist()).items())),
        counts=_count(clean.kept, pairs, votes),
        last_vote_at=max(iso(votes["at"].sort_values().tail(1)).to_pylist(), default=""),
    )


def _frames(
    material: Material, rows_by_format: Mapping[Format, pd.DataFrame], held_out: Sequence[str]
) -> dict[tuple[Format, Split], pd.DataFrame]:
    """The rows of each format and split; formats of the same rows share their frames."""
    is_test = material.pairs["prompt_id"].isin(held_out).to_numpy(dtype=bool)
    frames: dict[tuple[Format, Split], pd.DataFrame] = {}
    for kind, rows in rows_by_format.items():
        twin = next((other for other, _ in frames if other in PAIRED), None) if kind in PAIRED else None
        tested = is_test[rows["place"]]
        for split, chosen in ((Split.TRAIN, ~tested), (Split.TEST, tested)):
            frame = frames.get((twin, split)) if twin else part(rows, chosen)
            if frame is not None and len(frame):
                frames[kind, split] = frame
    return frames


def _in_evaluation(material: Material, clean: Material) -> dict[Format, int]:
    """How many rows that stood for no preference went with the prompts of an evaluation set, by format."""
    gone = {name: len(getattr(material, name)) - len(getattr(clean, name)) for name in ("bad", "ties", "votes", "judgements")}
    return {Format.KTO: 2 * (gone["bad"] + gone["ties"]), Format.VOTES: gone["votes"], Format.JUDGEMENTS: gone["judgements"]}


def _count(kept: pd.DataFrame, pairs: pd.DataFrame, votes: pd.DataFrame) -> dict[str, int]:
    opinions = votes[votes["choice"] != Choice.SKIP]
    return {
        "pairs": len(pairs),
        "votes": len(opinions),
        "skipped": len(votes) - len(opinions),
        "annotators": int(opinions["annotator"].nunique()),
        "prompts": int(kept["prompt_id"].nunique()),
        "preferences": len(kept),
    }


def _told(report: SplitReport, options: ReleaseOptions, found: int) -> SplitReport:
    """Say in the report what was compared against."""
    return replace(
        report, evaluation=options.evaluation_name, evaluation_prompts=len(set(options.evaluation)), in_evaluation=found
    )
