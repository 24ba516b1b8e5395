"""Argilla open: the address at which a browser shows one pair in Argilla's own page.

Argilla shows records by queue. A pair stands among the pending ones of whoever has not answered it, until it has all its
answers; afterwards only those who answered it find it, under what they did. So there are pairs it cannot show somebody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from pipeline.adapters.argilla_client import ArgillaClient, rows
from pipeline.adapters.argilla_rows import SEAL, metadata
from pipeline.records import Pair

Body = dict[str, Any]

MOST = 200
"""The server takes 250 values in one filter."""


def pair_urls(client: ArgillaClient, dataset_id: str, order_key: str, pairs: Iterable[Pair]) -> dict[str, str]:
    """Return the address of each pair in Argilla, by pair id; empty for one Argilla does not show to the key's owner.

    Pairs that are not in the dataset are left out.

    Raises:
        ArgillaError: The server does not answer, or the dataset is gone.
    """
    seals = {str(metadata(order_key, pair)[SEAL]): pair.id for pair in pairs}
    urls: dict[str, str] = {}
    for start in range(0, len(seals), MOST):
        some = list(seals)[start : start + MOST]
        scope = {"entity": "metadata", "metadata_property": SEAL}
        body = {"filters": {"and": [{"type": "terms", "scope": scope, "values": some}]}}
        path = f"me/datasets/{dataset_id}/records/search"
        found = rows(client.send("POST", path, json=body, params={"include": "responses", "limit": len(some)}))
        for record in (one["record"] for one in found):
            seal = str((record.get("metadata") or {}).get(SEAL))
            queue = _queue(record)
            urls[seals[seal]] = page_url(client.url, dataset_id, seal, queue) if queue else ""
    return urls


def page_url(url: str, dataset_id: str, seal: str, queue: str) -> str:
    """Return the address that shows the record with this seal in a queue."""
    told = {"page": "1", "status": queue, "metadata": f"{SEAL}.{seal}"}
    return f"{url}/dataset/{dataset_id}/annotation-mode?{urlencode(told)}"


def _queue(record: Mapping[str, Any]) -> str:
    """In which queue the key's owner finds a record, empty when in none."""
    own = record.get("responses") or []
    if own:
        return str(own[0]["status"])
    return "pending" if record.get("status") == "pending" else ""
