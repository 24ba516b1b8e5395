"""Release tables: a frame or records in, the frame a reader of the Export page sees out. No Streamlit."""

from collections.abc import Iterable, Mapping

import pandas as pd

from pipeline.licences import Part
from pipeline.privacy import Found
from pipeline.records import Publication, Release
from pipeline.splits import SplitReport
from pipeline.versions import Difference


def left_out(excluded: Mapping[str, int], by_format: Mapping[str, Mapping[str, int]], reasons: Mapping[str, str]) -> pd.DataFrame:
    """Show what a release leaves out, pairs first, then the rows that one format alone leaves out."""
    rows = [("every format", reasons.get(reason, reason), n) for reason, n in excluded.items()]
    rows += [
        (f"{kind} only", reasons.get(reason, reason), n) for kind, counted in by_format.items() for reason, n in counted.items()
    ]
    return pd.DataFrame(rows, columns=["left out of", "because", "pairs or rows"])


def release_formats(splits: Mapping[str, Mapping[str, int]], formats: Iterable[str], holds: Mapping[str, str]) -> pd.DataFrame:
    """Show how many rows each chosen format of a release has, and what they hold."""
    rows = [
        {
            "format": kind,
            "rows to train": splits.get(kind, {}).get("train", 0),
            "rows to test": splits.get(kind, {}).get("test", 0),
            "each row holds": holds[kind].replace("`", ""),
        }
        for kind in map(str, formats)
    ]
    return pd.DataFrame(rows)


def split(report: SplitReport) -> pd.DataFrame:
    """Show how many prompts of each kind are for training and for testing."""
    rows = [(kind, sizes["train"], sizes["test"]) for kind, sizes in report.by_kind.items()]
    return pd.DataFrame(rows, columns=["answer chosen, kind of prompt", "prompts to train", "prompts to test"])


def releases(written: Iterable[Release], publications: Iterable[Publication] = ()) -> pd.DataFrame:
    """Show releases, in the order given, and where each was published."""
    went: dict[str, list[str]] = {}
    for one in publications:
        went.setdefault(one.release, []).append(one.repo)
    rows = [
        (
            each.label,
            each.rows,
            each.at[:16].replace("T", " "),
            ", ".join(dict.fromkeys(went.get(each.name, []))),
            each.name,
            each.digest,
            each.directory,
        )
        for each in written
    ]
    columns = ["version", "preferences", "written (UTC)", "published as", "release", "digest", "folder"]
    return pd.DataFrame(rows, columns=columns)


def changes(found: Difference) -> pd.DataFrame:
    """Show what changed from one release to the next, row by row."""
    words = {"added": "added", "removed": "removed", "flipped": "turned round"}
    shown = found.rows.assign(change=found.rows["change"].map(words)).drop(columns="pair_id")
    return shown.rename(columns={"before": "chosen before", "now": "chosen now"})


def terms(parts: Iterable[Part]) -> pd.DataFrame:
    """Show the terms of each part of a release."""
    rows = [(each.what, each.role, each.licence or "not known", each.says, each.as_of, each.answer) for each in parts]
    return pd.DataFrame(rows, columns=["part", "gave", "licence", "its terms say", "known in", "you answered"])


def personal(found: Iterable[Found]) -> pd.DataFrame:
    """Show what may be personal data in a release."""
    rows = [(each.what, each.match, each.column, each.excerpt) for each in found]
    return pd.DataFrame(rows, columns=["looks like", "found", "in", "around it"])


def megabytes(count: int) -> str:
    """Return a number of bytes in kB below a megabyte, else in MB."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def plan(files: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Show what publishing would do, file by file."""
    rows = [(each["path"], each["does"], megabytes(int(str(each["size_bytes"])))) for each in files]
    return pd.DataFrame(rows, columns=["file", "would", "size"])
