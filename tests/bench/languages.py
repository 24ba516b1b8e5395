"""Languages: how fast is one language read out of 202,362 rows, and the summary of all, against pandas in the same run?

The goal is to read one language in a fifth of pandas' time, to summarise all in half of it, and to select the largest
language in 15 seconds.
"""

import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pandas as pd

from pipeline.adapters import parquet
from pipeline.selection import select_prompts
from tests.bench import synthetic

LANGUAGE = "Dutch"
LARGEST = "Plateau Malagasy"
GOALS = {"read_share_of_pandas": 0.2, "summary_share_of_pandas": 0.5, "select_largest_s": 15.0}


def _seconds(work: Callable[[], object], repeats: int = 5) -> float:
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return median(taken)


def _pandas_read(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    return frame[frame["language"] == LANGUAGE]


def _pandas_summary(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    lengths = frame.assign(prompt=frame["inputs"].str.len(), answer=frame["targets"].str.len())
    return lengths.groupby("language").agg({"prompt": ["mean", "max"], "answer": ["mean", "max"], "user_id": "nunique"})


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "aya_shaped.parquet"
        n_rows = synthetic.write(path)
        prepare_s = _seconds(lambda: parquet.open_source(str(path), workspace=Path(folder)), repeats=1)
        source = parquet.open_source(str(path), workspace=Path(folder))
        read_s = _seconds(lambda: parquet.language_rows(source, LANGUAGE))
        summary_s = _seconds(lambda: parquet.summary(source), repeats=3)
        pandas_read_s, pandas_summary_s = (
            _seconds(lambda: _pandas_read(path), repeats=3),
            _seconds(lambda: _pandas_summary(path), repeats=3),
        )
        rows = parquet.language_rows(source, LARGEST)
        select_s = _seconds(lambda: select_prompts(rows, language=LARGEST), repeats=1)
    figures = {
        "prepare_s": prepare_s,
        "read_ms": read_s * 1e3,
        "summary_ms": summary_s * 1e3,
        "pandas_read_ms": pandas_read_s * 1e3,
        "pandas_summary_ms": pandas_summary_s * 1e3,
        "read_share_of_pandas": read_s / pandas_read_s,
        "summary_share_of_pandas": summary_s / pandas_summary_s,
        "select_largest_s": select_s,
    }
    print(f"{n_rows:,} rows, 71 languages; {LANGUAGE} read, {LARGEST} selected; {platform.platform()}", file=sys.stderr)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
    return int(any(figures[name] > goal for name, goal in GOALS.items()))
