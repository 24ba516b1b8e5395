"""Real prompts and answers in the shape of Aya rows, read in place from the folder of real data."""

import json
import os
from pathlib import Path
from typing import Any

REAL_DATA = Path(os.environ.get("STUDIO_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

OASST = {
    "ca": "Catalan",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "eu": "Basque",
    "fr": "French",
    "hu": "Hungarian",
    "it": "Italian",
    "ja": "Japanese",
    "pt-BR": "Portuguese",
    "ru": "Russian",
    "th": "Thai",
    "uk-UA": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Simplified Chinese",
}
AYA = {"ar": "Standard Arabic", "en": "English", "pt": "Portuguese", "tr": "Turkish", "zh": "Simplified Chinese"}
AYA_ANSWERS_OF = "command-r-plus"

Row = dict[str, Any]


def _read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def oasst_rows(folder: Path) -> list[Row]:
    """The 517 OpenAssistant rows: a person's prompt and a person's reply."""
    return [
        {
            "inputs": row["prompt"],
            "targets": row["human_reply"],
            "language": OASST[row["lang"]],
            "language_code": row["lang"],
            "annotation_type": "original-annotations",
            "user_id": row["prompt_message_id"],
        }
        for row in _read(folder / "oasst1_val_single_turn.jsonl")
    ]


def aya_rows(folder: Path) -> list[Row]:
    """The 500 real Aya prompts; their human answers are not in the file, so one model's stand in their place."""
    return [
        {
            "inputs": row["prompt"],
            "targets": row["completions"][AYA_ANSWERS_OF],
            "language": AYA[row["language"]],
            "language_code": row["language"],
            "annotation_type": "re-annotations",
            "user_id": row["id"],
        }
        for row in _read(folder / "lcb_human_prompts_10_completions.jsonl")
        if row["source"] == "aya_human_annotated"
    ]


def write_rows(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
