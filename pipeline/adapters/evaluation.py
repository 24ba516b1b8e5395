"""Evaluation: the prompts of an evaluation set, such as the Aya evaluation suite, from a file at hand.

Reads Parquet, CSV or JSONL; the prompts are in the first column of COLUMNS that is there. Changes nothing.
"""

from pathlib import Path

import duckdb

from pipeline.errors import SourceError

COLUMNS = ("inputs", "prompt", "instruction", "question")
_READERS = {
    ".parquet": "read_parquet(?)",
    ".csv": "read_csv(?, all_varchar=true)",
    ".jsonl": "read_json(?, format='newline_delimited')",
    ".ndjson": "read_json(?, format='newline_delimited')",
}


def read_prompts(path: Path) -> list[str]:
    """Return the prompts of a file, each once, sorted.

    Raises:
        SourceError: There is no such file, it cannot be read, or holds no column of prompts.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        raise SourceError(
            f"There are no evaluation prompts at {path}.",
            hint="Give the path of a .parquet, .csv or .jsonl file with the prompts.",
        )
    try:
        with duckdb.connect() as engine:
            names = [row[0] for row in engine.execute(f"DESCRIBE SELECT * FROM {reader}", [str(path)]).fetchall()]  # noqa: S608
            column = next((name for name in COLUMNS if name in names), None)
            if column is None:
                raise SourceError(
                    f"{path.name} has no column of prompts.", hint=f"Name that column one of {', '.join(COLUMNS)}, and try again."
                )
            query = f'SELECT DISTINCT "{column}"::VARCHAR AS asked FROM {reader} WHERE asked IS NOT NULL ORDER BY asked'  # noqa: S608
            return [row[0] for row in engine.execute(query, [str(path)]).fetchall()]
    except duckdb.Error as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise SourceError(
            f"{path.name} cannot be read: {reason}", hint="Check that the file is complete and in UTF-8."
        ) from error
