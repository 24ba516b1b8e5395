"""Export benchmark: 200,000 pairs to every format, against writing the same tables with pyarrow alone.

pyarrow alone means: the finished tables are in memory, and each is written as Parquet and flushed to the disk; no choosing
of rows, no splitting, no near duplicates, no check, no card, no hash. Ours is everything from the frames of the store to the
release under its name: all of that, and each configuration loaded once by `datasets`. Both sides find their libraries imported.

Two formats of a release, dpo and orpo, are the same bytes: ours makes them once and copies. The goal counts both for pyarrow,
as whoever writes seven tables would; `ratio_each_once` counts them once. Processor time is printed beside the clock's, for
ours uses two cores and suffers more where others use them too.
"""

import filecmp
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import datasets  # noqa: F401
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import scipy.io  # noqa: F401

from pipeline.contents import gather
from pipeline.export import write_release
from pipeline.records import Project

PAIRS = 200_000
GOAL_RATIO = 2.0
GOAL_MB = 1500
FRAMES = ("preferences", "left_out", "pairs", "votes", "judgements", "consensus")


def synthetic(pairs: int) -> dict[str, pd.DataFrame]:
    """Return the frames of a project with this many decided pairs of about 900 characters, three votes each, one judge."""
    numbers = range(pairs)
    draw = np.random.default_rng(0)
    words = np.array(["".join(chr(97 + each) for each in draw.integers(0, 26, 2 + size % 8)) for size in range(20_000)])

    def texts(length: int) -> list[str]:
        return [" ".join(row) for row in words[draw.zipf(1.3, (pairs, length)) % len(words)]]

    pair = pd.DataFrame(
        {
            "pair_id": [f"pair{number:08d}" for number in numbers],
            "prompt_id": [f"prompt{number:08d}" for number in numbers],
            "prompt": texts(20),
            "annotation_type": "original-annotations",
            "first_id": [f"first{number}" for number in numbers],
            "second_id": [f"second{number}" for number in numbers],
            "first": texts(80),
            "second": texts(70),
            "first_source": "human",
            "second_source": "model",
            "position": list(numbers),
            "n_votes": 3,
        }
    )
    names = {"first": "chosen", "second": "rejected", "first_id": "chosen_id", "second_id": "rejected_id"}
    names |= {"first_source": "chosen_source", "second_source": "rejected_source"}
    decided = {"support": 1.0, "confidence": 0.9, "method": "majority"}
    votes = pd.concat([pair[["pair_id"]].assign(annotator=name, seq=at) for at, name in enumerate("abc")])
    votes = votes.assign(choice="first", version=0, shown_first="", reason="", edited="", seconds=5.0, guidelines_version="")
    judgements = pd.concat([pair[["pair_id"]].assign(shown_first=pair[side]) for side in ("first_id", "second_id")])
    judgements = judgements.assign(judge="judge", choice="first", rating_first=4.0, rating_second=3.0, rationale="It answers.")
    return {
        "preferences": pair.rename(columns=names).assign(**decided),
        "left_out": pd.DataFrame({"pair_id": [], "reason": []}, dtype=str),
        "pairs": pair,
        "votes": votes.assign(at=pd.Timestamp("2026-01-01", tz="UTC")),
        "judgements": judgements.assign(at=pd.Timestamp("2026-01-01", tz="UTC")),
        "consensus": pair[["pair_id", "n_votes"]].assign(outcome="first", **decided),
    }


def ours(folder: Path) -> dict[str, float]:
    """Read the frames, make the release; return the seconds of each part, of the processors, and the most memory in MB."""
    # Each column in one piece, as the store gives it.
    frames = {name: pq.read_table(folder / f"{name}.parquet").combine_chunks().to_pandas() for name in FRAMES}
    project = Project(name="bench", language="Dutch", code="nld", source="synthetic", revision="0", order_key="bench")
    started, before = time.perf_counter(), time.process_time()
    contents = gather(project, **frames)
    gathered = time.perf_counter()
    configs = [
        {"config_name": kind, "data_files": [{"split": split, "path": f"{kind}/{split}.parquet"} for split in sizes]}
        for kind, sizes in contents.splits.items()
    ]
    write_release(contents, card=f"---\nconfigs: {json.dumps(configs)}\n---\n", releases=folder, out_dir=folder / "release")
    ended, used = time.perf_counter(), time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    parts = {"gather_s": gathered - started, "write_s": ended - gathered, "export_s": ended - started}
    return parts | {"export_cpu_s": used, "peak_mb": peak}


def alone(made: Path) -> dict[str, float]:
    """Write the tables of a release again without the studio; return the seconds, on the clock and of the processors.

    `copied_s` are those of tables whose file has the bytes of another one.
    """
    taken = {"pyarrow_s": 0.0, "pyarrow_cpu_s": 0.0, "copied_s": 0.0}
    written: list[Path] = []
    for path in sorted(made.rglob("*.parquet")):
        table = pq.read_table(path)
        started, before = time.perf_counter(), time.process_time()
        with (made.parent / "alone").open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        seconds = time.perf_counter() - started
        taken["pyarrow_cpu_s"] += time.process_time() - before
        taken["pyarrow_s"] += seconds
        taken["copied_s"] += seconds * any(filecmp.cmp(path, other, shallow=False) for other in written)
        written.append(path)
    return taken


def main() -> int:
    """Print the conditions and one line of JSON; return 1 when a goal is missed."""
    if len(sys.argv) > 2:
        print(json.dumps(ours(Path(sys.argv[2]))))
        return 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name, frame in synthetic(PAIRS).items():
            frame.to_parquet(folder / f"{name}.parquet")
        # A process of its own, so that its memory is the export's and not that of making the rows up.
        command = [sys.executable, "-m", "tests.bench.export", "ours", made]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=900).stdout)
        found |= alone(folder / "release")
    print(f"{PAIRS:,} pairs to seven formats, train and test; {os.cpu_count()} cores; goals: {GOAL_RATIO} times, {GOAL_MB} MB")
    found["ratio"] = found["export_s"] / found["pyarrow_s"]
    found["ratio_each_once"] = found["export_s"] / (found["pyarrow_s"] - found["copied_s"])
    found["ratio_cpu"] = found["export_cpu_s"] / found["pyarrow_cpu_s"]
    print(json.dumps({name: round(value, 2) for name, value in found.items()}))
    return 0 if found["ratio"] <= GOAL_RATIO and found["peak_mb"] <= GOAL_MB else 1


if __name__ == "__main__":
    sys.exit(main())
