"""Synthetic: a Parquet file shaped like Aya, with 202,362 rows in 71 languages, their published counts and scripts.

Its texts are noise in the right alphabet with lengths like the published ones. `python -m tests.bench synthetic` times it.
"""

import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from pipeline import languages
from pipeline.languages import Language

CHUNKS = 50
NOISE_CHARS = 60_000
LETTERS = {
    "Latin": (0x61, 0x7A),
    "Cyrillic": (0x430, 0x44F),
    "Greek": (0x3B1, 0x3C9),
    "Arabic": (0x628, 0x64A),
    "Devanagari": (0x915, 0x939),
    "Tamil": (0xB95, 0xBB9),
    "Telugu": (0xC15, 0xC39),
    "Sinhala": (0xD9A, 0xDB1),
    "Thai": (0xE01, 0xE2E),
    "Hangul": (0xAC00, 0xAE00),
    "Japanese": (0x3042, 0x3093),
    "Han": (0x4E00, 0x5200),
}
KINDS = ["original-annotations", "original-annotations", "re-annotations"]


def counts() -> dict[Language, int]:
    """Rows per language that add up to the published total; what was read off a plot takes up the difference."""
    rows = {language: language.published_rows or 0 for language in languages.LANGUAGES}
    largest_estimate = next(language for language in languages.LANGUAGES if language.how == "about")
    rows[largest_estimate] += languages.totals().rows - sum(rows.values())
    return rows


def write(path: Path, *, seed: int = 0) -> int:
    """Write the file and return its number of rows; rows of all languages are mixed, as they are in Aya."""
    draw = random.Random(seed)
    noise = {language: _noise(language, draw) for language in languages.LANGUAGES}
    schema = pa.schema(
        [(name, pa.string()) for name in ("inputs", "targets", "language", "language_code", "annotation_type", "user_id")]
    )
    written = 0
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for chunk in range(CHUNKS):
            rows = [
                _row(language, noise[language], draw)
                for language, n_rows in counts().items()
                for _ in range(n_rows * (chunk + 1) // CHUNKS - n_rows * chunk // CHUNKS)
            ]
            draw.shuffle(rows)
            writer.write_table(pa.Table.from_arrays([pa.array(column) for column in zip(*rows, strict=True)], schema=schema))
            written += len(rows)
    return written


def _noise(language: Language, draw: random.Random) -> str:
    low, high = LETTERS.get(language.script.split(" ")[0], (0x61, 0x7A))
    letters = [chr(code) for code in range(low, high + 1)] + [" "] * max(3, (high - low) // 6)
    return "".join(draw.choices(letters, k=NOISE_CHARS))


def _row(language: Language, noise: str, draw: random.Random) -> tuple[str, ...]:
    # Log-normal lengths with the published means of Dutch: 224 characters for prompts, 352 for answers.
    inputs, targets = (_slice(noise, draw.lognormvariate(mu, 1.0), draw) for mu in (4.9, 5.36))
    user = f"{language.code}-{draw.randrange(30)}"
    return inputs, targets, language.name, language.code, draw.choice(KINDS), user


def _slice(noise: str, length: float, draw: random.Random) -> str:
    wanted = max(8, min(int(length), 20_000))
    start = draw.randrange(NOISE_CHARS - wanted)
    return noise[start : start + wanted]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "aya_shaped.parquet"
        begun = time.perf_counter()
        n_rows = write(path)
        figures = {
            "rows": n_rows,
            "seconds": round(time.perf_counter() - begun, 1),
            "megabytes": round(path.stat().st_size / 1e6, 1),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    print(f"Python {sys.version.split()[0]}, {len(languages.LANGUAGES)} languages, seed 0", file=sys.stderr)
    print(json.dumps(figures))
    return int(n_rows != languages.totals().rows)
