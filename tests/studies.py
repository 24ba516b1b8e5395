"""Finished studies of real people, read in place and put into the lines that `import-votes` takes."""

import json
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def pandalm(folder: Path) -> list[Line]:
    """PandaLM's test set: 999 pairs of model answers, three votes each."""
    study = []
    words = {0: "tie", 1: "a", 2: "b"}
    for pair in json.loads((folder / "pandalm_pairs.json").read_text(encoding="utf-8")):
        one, other = pair["cmp_key"].split("_")
        study += [
            {
                "prompt": "\n\n".join(filter(None, (pair["instruction"], pair["input"]))),
                "response_a": pair["response1"],
                "response_b": pair["response2"],
                "source_a": one,
                "source_b": other,
                "annotator": f"annotator{number}",
                "choice": words[pair[f"annotator{number}"]],
            }
            for number in (1, 2, 3)
        ]
    return study


def oasst_ranked(folder: Path) -> list[Line]:
    """OpenAssistant's ranked replies: of each English prompt the best reply against the worst, one vote by rank."""
    study = []
    for text in (folder / "oasst1_en_val_ranked.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(text)
        replies = sorted(row["replies"], key=lambda reply: reply["rank"])
        if len(row["messages"]) == 1:
            sides = {"response_a": replies[0]["text"], "response_b": replies[-1]["text"]}
            sources = {"source_a": "human", "source_b": "human"}
            study.append({"prompt": row["messages"][0]["content"], **sides, **sources, "annotator": "ranking", "choice": "a"})
    return study


def write_study(path: Path, lines: list[Line]) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path
