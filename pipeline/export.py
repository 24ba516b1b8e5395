"""Export: preferences and votes become the files people train on.

Frames come in; a `Contents` says what a release will hold, row for row, before anything is written; then
`write_release` writes Parquet, JSONL, the card and a manifest of hashes. The same input, seed and settings
give the same bytes, whatever the order of the rows. Each row that is left out is counted under a reason.
Never changes a vote, a response or a release that is already there.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import release
from pipeline.errors import ExportError
from pipeline.records import Choice, Project
from pipeline.shapes import SHAPES, Format, Row, Split, check_rows, is_text, parse_formats, to_rows, to_table

__all__ = ["Contents", "ExportResult", "Format", "ReleaseFile", "Split", "gather", "parse_formats", "write_release"]

TEST_SHARE = 0.1
MIN_PROMPTS_TO_SPLIT = 20
ROWS_AT_ONCE = 10_000
REASONS: Mapping[str, str] = {
    "empty": "the prompt or a response is empty",
    "identical": "both responses are the same text",
    "not_text": "a text holds half a character, which no file can store",
    "won_and_lost": "the answer won one pair and lost another",
    "same_answer": "the same answer stands in the file already",
}
"""Why this step leaves out a pair, or a row of one format."""
MANIFEST = "manifest.json"
CARD = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a release will hold.

    `frames` are flat, one text per cell, sorted. `excluded` counts pairs that give no preference, by reason;
    `excluded_by_format` counts rows that one format alone leaves out. `counts`: `pairs, votes, skipped, annotators,
    prompts, preferences`; skips are no votes.
    """

    project: Project
    frames: Mapping[tuple[Format, Split], pd.DataFrame]
    excluded: Mapping[str, int]
    excluded_by_format: Mapping[str, Mapping[str, int]]
    chosen_by_source: Mapping[str, int]
    counts: Mapping[str, int]
    last_vote_at: str
    test_share: float

    @property
    def splits(self) -> dict[str, dict[str, int]]:
        """The number of rows by format and split."""
        sizes: dict[str, dict[str, int]] = {}
        for (kind, split), frame in self.frames.items():
            sizes.setdefault(str(kind), {})[str(split)] = len(frame)
        return sizes

    def prompts(self, split: Split) -> set[str]:
        """Return the prompts that stand in a split, in whatever format."""
        return {prompt for (_, each), frame in self.frames.items() if each is split for prompt in frame["prompt"]}

    def preview(self, kind: Format, *, limit: int = 5) -> list[Row]:
        """Return the first rows of a format exactly as they will be written."""
        frames = (frame.head(limit) for (each, _), frame in self.frames.items() if each == kind)
        return list(islice((row for frame in frames for row in to_rows(kind, frame)), limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """One data file of a release; `format` is the configuration it belongs to."""

    path: str
    format: str
    split: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """A release on the disk. `created` is False when exactly this release was there already; `version` is the studio's count."""

    name: str
    directory: str
    files: tuple[ReleaseFile, ...]
    excluded: Mapping[str, int]
    excluded_by_format: Mapping[str, Mapping[str, int]]
    manifest_digest: str
    preferences: int
    created: bool
    version: int = 0

    def as_json(self) -> dict[str, object]:
        """Return the document that the command line prints."""
        return asdict(self) | {"files": [asdict(file) for file in self.files]}


def gather(
    project: Project,
    *,
    preferences: pd.DataFrame,
    pairs: pd.DataFrame,
    votes: pd.DataFrame,
    consensus: pd.DataFrame,
    summary: Mapping[str, object],
    formats: Iterable[str] = ("all",),
    test_share: float = TEST_SHARE,
) -> Contents:
    """Say what a release of these formats holds.

    Args:
        project: Its seed draws the split; its order key makes the annotators' pseudonyms.
        preferences: Columns `pair_id, prompt_id, prompt, chosen, rejected, chosen_id, rejected_id, chosen_source,
            rejected_source, annotation_type, n_votes, support, confidence, method`.
        pairs: As `Store.pairs` returns them.
        votes: As `Store.votes` returns them, skips too.
        consensus: Columns `pair_id, outcome, n_votes, support, confidence, method`.
        summary: What curation reported: `method` and `excluded`, pairs by reason.
        formats: Names of formats, or `all`.
        test_share: Share of the prompts to hold out, in [0, 1). Below 20 prompts nothing is held out.

    Raises:
        ExportError: A format is not known.
    """
    wanted = parse_formats(formats)
    opinions = votes[votes["choice"] != Choice.SKIP]
    kept, broken = _without_broken(preferences, ("prompt", "chosen", "rejected"))
    kept = _with_provenance(kept, pairs, project.language).sort_values(["prompt_id", "pair_id"])
    bad = consensus.loc[consensus["outcome"] == Choice.BOTH_BAD].merge(pairs.drop(columns="n_votes"), on="pair_id")
    bad = bad.assign(agreement=bad["support"], language=project.language)
    frames: dict[Format, pd.DataFrame] = {}
    excluded_by_format: dict[str, dict[str, int]] = {}
    for kind in wanted:
        frame, left_out = _frame_of(kind, kept, bad, pairs, votes, project)
        frames[kind] = frame[list(SHAPES[kind].columns)]
        if left_out:
            excluded_by_format[str(kind)] = dict(sorted(left_out.items()))
    before = summary.get("excluded")
    excluded = Counter({str(reason): int(n) for reason, n in before.items()} if isinstance(before, Mapping) else {}) + broken
    return Contents(
        project=project,
        frames=_split(frames, kept["prompt_id"], seed=project.seed, test_share=test_share),
        excluded=dict(sorted(excluded.items())),
        excluded_by_format=excluded_by_format,
        chosen_by_source=dict(sorted(Counter(kept["chosen_source"].tolist()).items())),
        counts={
            "pairs": len(pairs),
            "votes": len(opinions),
            "skipped": len(votes) - len(opinions),
            "annotators": int(opinions["annotator"].nunique()),
            "prompts": int(kept["prompt_id"].nunique()),
            "preferences": len(kept),
        },
        last_vote_at=max(_iso(votes["at"].sort_values().tail(1)), default=""),
        test_share=test_share,
    )


def _frame_of(
    kind: Format, kept: pd.DataFrame, bad: pd.DataFrame, pairs: pd.DataFrame, votes: pd.DataFrame, project: Project
) -> tuple[pd.DataFrame, Counter[str]]:
    """Return the flat frame of one format, sorted, and the rows that this format alone leaves out."""
    if kind is Format.KTO:
        return _kto(kept, bad)
    if kind is Format.SFT:
        return _sft(kept, votes)
    if kind is Format.VOTES:
        return _votes(pairs, votes, project)
    return (_with_margin(kept, votes) if kind is Format.REWARD else kept), Counter()


def _without_broken(frame: pd.DataFrame, texts: tuple[str, ...]) -> tuple[pd.DataFrame, Counter[str]]:
    """Leave out rows no trainer can use, each under its reason."""
    reason = pd.Series("", index=frame.index, dtype=object)
    written = pd.concat([frame[name].map(is_text).astype(bool) for name in texts], axis=1).all(axis=1)
    blank = pd.concat([frame[name].fillna("").str.strip() == "" for name in texts], axis=1).any(axis=1)
    if "rejected" in texts:
        reason = reason.mask(frame["chosen"] == frame["rejected"], "identical")
    reason = reason.mask(~written, "not_text").mask(blank, "empty")
    return frame[reason == ""], Counter(reason[reason != ""].tolist())


def _with_provenance(kept: pd.DataFrame, pairs: pd.DataFrame, language: str) -> pd.DataFrame:
    """Add `agreement`, `language` and `winner`, the Choice that names the chosen response."""
    first_ids = kept["pair_id"].map(pairs.set_index("pair_id")["first_id"])
    winner = (kept["chosen_id"] == first_ids).map({True: str(Choice.FIRST), False: str(Choice.SECOND)})
    return kept.assign(agreement=kept["support"], language=language, winner=winner)


def _with_margin(kept: pd.DataFrame, votes: pd.DataFrame) -> pd.DataFrame:
    """Add `margin`: the share of votes for chosen less the share for rejected, never below 0."""
    opinions = votes[votes["choice"] != Choice.SKIP]
    winners = opinions["pair_id"].map(kept.set_index("pair_id")["winner"])
    losers = winners.map({str(Choice.FIRST): str(Choice.SECOND), str(Choice.SECOND): str(Choice.FIRST)})
    lead = (opinions["choice"] == winners).astype(float) - (opinions["choice"] == losers).astype(float)
    margins = lead.groupby(opinions["pair_id"]).mean().clip(lower=0.0)
    return kept.assign(margin=kept["pair_id"].map(margins).fillna(0.0))


def _kto(kept: pd.DataFrame, bad: pd.DataFrame) -> tuple[pd.DataFrame, Counter[str]]:
    """One row per answer: winners are wanted; losers and both sides of a `both_bad` pair are not."""
    sides = [(kept, "chosen", True), (kept, "rejected", False), (bad, "first", False), (bad, "second", False)]
    frame = pd.concat(
        [
            rows.assign(completion=rows[side], source=rows[f"{side}_source"], response_id=rows[f"{side}_id"], label=label)
            for rows, side, label in sides
        ]
    )
    frame, left_out = _without_broken(frame.reset_index(drop=True), ("prompt", "completion"))
    answer = ["prompt_id", "completion"]
    contradicted = frame.groupby(answer)["label"].transform("nunique") > 1
    left_out["won_and_lost"] = int(contradicted.sum())
    frame = frame[~contradicted].sort_values(["prompt_id", "pair_id", "response_id"])
    repeated = frame.duplicated(answer)
    left_out["same_answer"] = int(repeated.sum())
    return frame[~repeated], +left_out


def _sft(kept: pd.DataFrame, votes: pd.DataFrame) -> tuple[pd.DataFrame, Counter[str]]:
    """One row per winning answer; the newest edit by an annotator who chose that answer takes its place."""
    edits = votes[votes["edited"].fillna("").str.strip() != ""].sort_values(["at", "annotator"])
    edits = edits[edits["choice"] == edits["pair_id"].map(kept.set_index("pair_id")["winner"])]
    newest = kept["pair_id"].map(edits.drop_duplicates("pair_id", keep="last").set_index("pair_id")["edited"]).astype(object)
    frame = kept.assign(
        completion=newest.where(newest.notna(), kept["chosen"]), source=kept["chosen_source"], edited=newest.notna()
    )
    frame, left_out = _without_broken(frame, ("prompt", "completion"))
    repeated = frame.duplicated(["prompt_id", "completion"])
    left_out["same_answer"] = int(repeated.sum())
    return frame[~repeated], +left_out


def _votes(pairs: pd.DataFrame, votes: pd.DataFrame, project: Project) -> tuple[pd.DataFrame, Counter[str]]:
    """Latest votes, skips too, under pseudonyms; `shown_first` says which response was seen first."""
    frame = votes.merge(pairs.drop(columns="n_votes"), on="pair_id")
    shown = frame["shown_first"]
    side = pd.Series("", index=frame.index, dtype=object)
    side = side.mask(shown == frame["first_id"], str(Choice.FIRST)).mask(shown == frame["second_id"], str(Choice.SECOND))
    names = {name: pseudonym(name, key=project.order_key) for name in frame["annotator"].unique()}
    frame = frame.assign(
        annotator=frame["annotator"].map(names), shown_first=side, at=_iso(frame["at"]), language=project.language
    )
    texts = ("prompt", "first", "second", "reason", "edited")
    written = pd.concat([frame[name].map(is_text).astype(bool) for name in texts], axis=1).all(axis=1)
    frame = frame[written].sort_values(["prompt_id", "pair_id", "annotator"])
    return frame, +Counter({"not_text": int((~written).sum())})


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


def _iso(moments: pd.Series[pd.Timestamp]) -> list[str]:
    return pd.to_datetime(moments, utc=True).dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00").tolist()


def split_of(prompt_id: str, *, seed: int, test_share: float) -> Split:
    """Draw the split of a prompt; it depends on nothing else, so a prompt stays where it is in later releases."""
    drawn = int(hashlib.sha256(f"{seed}:{prompt_id}".encode()).hexdigest()[:12], 16) / 16**12
    return Split.TEST if drawn < test_share else Split.TRAIN


def _split(
    frames: Mapping[Format, pd.DataFrame], prompt_ids: pd.Series[str], *, seed: int, test_share: float
) -> dict[tuple[Format, Split], pd.DataFrame]:
    """Cut each frame in two by prompt, with the same cut for all; empty parts are left away."""
    share = test_share if prompt_ids.nunique() >= MIN_PROMPTS_TO_SPLIT else 0.0
    parts: dict[tuple[Format, Split], pd.DataFrame] = {}
    prompts = {prompt for frame in frames.values() for prompt in frame["prompt_id"].unique()}
    drawn = {prompt: split_of(prompt, seed=seed, test_share=share) for prompt in prompts}
    for kind, frame in frames.items():
        places = frame["prompt_id"].map(drawn)
        for split in Split:
            part = frame[places == split]
            if len(part):
                parts[kind, split] = part
    return parts


def write_release(contents: Contents, *, card: str, releases: Path, out_dir: Path | None = None) -> ExportResult:
    """Write the release as a new folder, whole or not at all.

    The folder is `out_dir`, or one in `releases` named after the project and the digest of the manifest. If
    exactly this release is there already, nothing is written and it is returned.

    Raises:
        ExportError: There is nothing to write, a row cannot be trained on, the disk refuses, or the folder
            holds something else.
    """
    if not contents.frames:
        raise ExportError(
            f"There is nothing to export from {contents.project.name} yet: no pair has been decided.",
            hint="Collect votes on the Annotate page and save the rules on the Curate page, then export again.",
        )
    parent = out_dir.resolve().parent if out_dir else releases
    with release.unfinished_folder(parent) as folder:
        files = tuple(_write_files(folder, contents))
        (folder / CARD).write_bytes(card.encode())
        manifest = _manifest(contents, files, card_digest=release.flush_file(folder / CARD))
        (folder / MANIFEST).write_bytes(manifest)
        digest = release.flush_file(folder / MANIFEST)
        name = f"{_slug(contents.project.name)}-{digest[:8]}"
        target = out_dir.resolve() if out_dir else releases / name
        created = release.publish(folder, target)
        if not created and not release.same_files(folder, target):
            raise ExportError(
                f"The folder {target} is already there and holds something else; it was not touched.",
                hint=f"Choose a folder that is not there yet, for example {target.parent / name}-new, and export again.",
            )
    return ExportResult(
        name=name,
        directory=str(target),
        files=tuple(replace(file, path=str(target / file.path)) for file in files),
        excluded=contents.excluded,
        excluded_by_format=contents.excluded_by_format,
        manifest_digest=digest,
        preferences=contents.counts["preferences"],
        created=created,
    )


def _slug(name: str) -> str:
    """Return the name with everything that a file system may refuse turned into a hyphen."""
    # Marks belong to letters in many scripts: without them names would fall apart.
    kept = (letter if unicodedata.category(letter)[0] in "LMN" or letter in "-_" else "-" for letter in name)
    return "".join(kept)[:50].strip("-") or "release"


def _write_files(folder: Path, contents: Contents) -> Iterator[ReleaseFile]:
    """Write each part as Parquet and as JSONL; formats of one shape share their bytes."""
    done: dict[tuple[int, Split], Format] = {}
    for (kind, split), frame in contents.frames.items():
        (folder / kind).mkdir(exist_ok=True)
        paths = [Path(kind) / f"{split}.{ending}" for ending in ("parquet", "jsonl")]
        twin = done.setdefault((id(SHAPES[kind]), split), kind)
        if twin is kind:
            _write_part(folder / paths[0], folder / paths[1], kind, frame)
        for path in paths:
            if twin is not kind:
                shutil.copyfile(folder / twin / path.name, folder / path)
            digest = release.flush_file(folder / path)
            yield ReleaseFile(path=path.as_posix(), format=str(kind), split=str(split), rows=len(frame), sha256=digest)


def _write_part(parquet: Path, jsonl: Path, kind: Format, frame: pd.DataFrame) -> None:
    to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    with pq.ParquetWriter(parquet, SHAPES[kind].schema, compression="zstd") as table, jsonl.open("wb") as lines:
        for start in range(0, len(frame), ROWS_AT_ONCE):
            rows = list(to_rows(kind, frame.iloc[start : start + ROWS_AT_ONCE]))
            check_rows(kind, rows)
            table.write_table(to_table(kind, rows))
            lines.writelines(f"{to_json(row)}\n".encode() for row in rows)


def _manifest(contents: Contents, files: tuple[ReleaseFile, ...], *, card_digest: str) -> bytes:
    """Return what identifies the release: no date and no path of this machine, so that it can be made again."""
    project = contents.project
    facts = {
        "release_format": 1,
        "project": project.name,
        "language": project.language,
        "code": project.code,
        "source": project.public_source,
        "revision": project.revision,
        "is_demonstration": project.is_demonstration,
        "seed": project.seed,
        "test_share": contents.test_share,
        "rules": dict(project.rules),
        "counts": contents.counts,
        "last_vote_at": contents.last_vote_at,
        "excluded": contents.excluded,
        "excluded_by_format": contents.excluded_by_format,
        "chosen_by_source": contents.chosen_by_source,
        "files": [asdict(file) for file in files],
        "card_sha256": card_digest,
        "versions": {"pyarrow": pa.__version__},
    }
    return (json.dumps(facts, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()
