"""Export benchmark: 200,000 pairs to dpo and orpo, against pyarrow alone writing the same tables.

pyarrow alone means: the finished tables are in memory, and are written as Parquet and flushed to the disk; no
check, no hash, no card. The JSONL files that a release holds too are timed apart, by Python's json alone.
"""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pipeline.export import gather, write_release
from pipeline.records import Project
from pipeline.release import flush_file

PAIRS = 200_000
GOAL_RATIO = 2.0


def synthetic(pairs: int) -> dict[str, pd.DataFrame]:
    """Return the frames of a project with this many decided pairs of about 900 characters, three votes each."""
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
    preferences = pair.rename(columns=names).assign(support=1.0, confidence=0.9, method="majority")
    votes = pd.concat([pair[["pair_id"]].assign(annotator=name, seq=at) for at, name in enumerate("abc")])
    votes = votes.assign(choice="first", version=0, shown_first="", reason="", edited="", seconds=5.0, guidelines_version="")
    votes = votes.assign(at=pd.Timestamp("2026-01-01", tz="UTC"))
    consensus = pair[["pair_id", "n_votes"]].assign(outcome="first", support=1.0, confidence=0.9)
    return {"preferences": preferences, "pairs": pair, "votes": votes, "consensus": consensus}


def main() -> int:
    """Print the conditions and one line of JSON; return 1 when the goal is missed."""
    frames = synthetic(PAIRS)
    project = Project(name="bench", language="Dutch", code="nld", source="synthetic", revision="0", order_key="bench")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        contents = gather(project, **frames, summary={"method": "majority", "excluded": {}}, formats=["dpo", "orpo"])
        result = write_release(contents, card="# bench\n", releases=Path(folder))
        ours_s = time.perf_counter() - started
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        tables_s, lines_s = _alone(Path(folder), Path(result.directory))
    print(f"{PAIRS:,} pairs to dpo and orpo, train and test; {os.cpu_count()} cores; goal: at most {GOAL_RATIO} times")
    ratio = ours_s / (tables_s + lines_s)
    print(
        json.dumps(
            {
                "export_s": round(ours_s, 2),
                "pyarrow_parquet_s": round(tables_s, 2),
                "python_jsonl_s": round(lines_s, 2),
                "ratio": round(ratio, 2),
                "ratio_to_parquet_alone": round(ours_s / tables_s, 2),
                "peak_mb": peak_mb,
            }
        )
    )
    return 0 if ratio <= GOAL_RATIO else 1


def _alone(folder: Path, made: Path) -> tuple[float, float]:
    """Write the tables of a release again, as Parquet by pyarrow and as JSONL by json; return seconds for each."""
    tables_s = lines_s = 0.0
    to_json = json.JSONEncoder(ensure_ascii=False).encode
    for path in sorted(made.rglob("*.parquet")):
        table = pq.read_table(path)
        started = time.perf_counter()
        pq.write_table(table, folder / "alone.parquet", compression="zstd")
        flush_file(folder / "alone.parquet")
        tables_s += time.perf_counter() - started
        rows = table.to_pylist()
        started = time.perf_counter()
        with (folder / "alone.jsonl").open("w", encoding="utf-8") as lines:
            lines.writelines(to_json(row) + "\n" for row in rows)
        flush_file(folder / "alone.jsonl")
        lines_s += time.perf_counter() - started
    return tables_s, lines_s


if __name__ == "__main__":
    sys.exit(main())
