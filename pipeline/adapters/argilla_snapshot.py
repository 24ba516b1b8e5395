"""Argilla snapshot: everything an Argilla dataset holds, as a file on this computer, before somebody removes the dataset.

One JSON document on each line: the settings first, then each record with all responses and suggestions, as the server
sends them.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.adapters import argilla_records
from pipeline.adapters.argilla_client import ArgillaClient, rows
from pipeline.errors import BackendError

Body = dict[str, Any]


def save(
    client: ArgillaClient,
    dataset: Body,
    folder: Path,
    *,
    now: datetime,
) -> tuple[Path, Counter[str]]:
    """Write a snapshot and return its path and how many responses it holds, by status; whole or not at all.

    Raises:
        ArgillaError: The server does not answer.
        BackendError: The file cannot be written.
    """
    name = re.sub(r"[^\w-]+", "-", str(dataset["name"])).strip("-") or "dataset"
    path = folder / f"{name}-{now:%Y%m%dT%H%M%S}-{str(dataset['id'])[:8]}.jsonl"
    draft = path.with_suffix(".part")
    statuses: Counter[str] = Counter()
    base = f"datasets/{dataset['id']}"
    settings = {
        "dataset": dataset,
        "fields": rows(client.get(f"{base}/fields")),
        "questions": rows(client.get(f"{base}/questions")),
        "metadata_properties": rows(client.get(f"me/{base}/metadata-properties")),
        # What opens a person's account stays out.
        "users": [
            {key: one.get(key) for key in ("id", "username", "role")}
            for one in rows(client.get(f"workspaces/{dataset['workspace_id']}/users"))
        ],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8") as out:
            out.write(f"{json.dumps(settings, ensure_ascii=False)}\n")
            for page in argilla_records.all_records(client, dataset, include="responses,suggestions"):
                for record in page:
                    out.write(f"{json.dumps(record, ensure_ascii=False)}\n")
                    statuses.update(str(one.get("status")) for one in record.get("responses") or [])
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    except OSError as error:
        raise BackendError(
            f"The snapshot cannot be written: {error.strerror}.",
            hint="Make room in the workspace; nothing was removed in Argilla.",
        ) from error
    return path, statuses
