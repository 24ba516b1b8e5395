"""How much memory do all agreement coefficients of ten million votes take?"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from pipeline import agreement

N_VOTES, GOAL_GIB = 10_000_000, 2.0
_MAKE = "from tests.bench.agreement import make_votes as m; m(n_votes={n}, n_pairs=-(-{n} // 3)).to_parquet({path!r})"


def peak_gib() -> float:
    """The most memory this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> int:
    """Print conditions and one line of JSON; 1 where a goal is missed."""
    print(f"{N_VOTES:,} votes, 500 annotators, made by another process; the frame itself and the libraries count too")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.parquet"
        subprocess.run([sys.executable, "-c", _MAKE.format(n=N_VOTES, path=str(path))], check=True)
        votes = pd.read_parquet(path)
    before = peak_gib()
    start = time.perf_counter()
    report = agreement.measure(votes)
    figures = {
        "votes": report.votes,
        "seconds": round(time.perf_counter() - start, 2),
        "frame_gib": round(float(votes.memory_usage(deep=True).sum()) / 2**30, 2),
        "peak_after_reading_gib": round(before, 2),
        "peak_gib": round(peak_gib(), 2),
        "goal_gib": GOAL_GIB,
    }
    print(json.dumps(figures))
    return int(figures["peak_gib"] > GOAL_GIB)
