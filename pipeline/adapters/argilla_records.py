"""Argilla records: how the records of a dataset are read from the server and written to it, page by page, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from pipeline.adapters.argilla_client import ArgillaClient, RefusedError

Body = dict[str, Any]

PAGE = 1000
"""As many records as the server gives at once."""
MOST_AT_ONCE, MOST_CHARS_AT_ONCE = 250, 1_000_000
"""The server takes 500 records in one request; a proxy in front of it often takes no more than a few megabytes."""

_BY_AGE = [{"scope": {"entity": "record", "property": name}, "order": "asc"} for name in ("inserted_at", "id")]
_STATUS = {"entity": "response", "property": "status"}
_ANSWERED = {
    "filters": {"and": [{"type": "terms", "scope": _STATUS, "values": ["submitted", "discarded"]}]},
    "sort": _BY_AGE,
}


def all_records(client: ArgillaClient, dataset: Body, include: str = "") -> Iterator[list[Body]]:
    """Yield the records as the server's database has them, with what is asked to be included."""
    params = {"include": include} if include else {}
    return client.pages(f"datasets/{dataset['id']}/records", limit=PAGE, **params)


def answered(client: ArgillaClient, dataset: Body) -> Iterator[list[Body]]:
    """Yield the records the server's search index knows an answer to, with all their responses from the database."""
    path = f"datasets/{dataset['id']}/records/search"
    for page in client.pages(path, limit=PAGE, method="POST", json=_ANSWERED, include="responses"):
        yield [one["record"] for one in page if isinstance(one.get("record"), dict)]


def unlisted(client: ArgillaClient, dataset: Body, there: Mapping[str, Body]) -> set[str]:
    """Return the external ids of records that no annotator would be shown.

    They are in the server's database and not in its search index: it died between writing the one and the other.
    """
    path = f"datasets/{dataset['id']}"
    total = client.get(f"{path}/records", limit=1).get("total")
    if client.get(f"{path}/progress").get("total") == total:
        return set()
    pages = client.pages(f"{path}/records/search", limit=PAGE, method="POST", json={"sort": _BY_AGE})
    return set(there) - {str(one["record"]["external_id"]) for page in pages for one in page if one.get("record")}


def unindexable(client: ArgillaClient, dataset: Body) -> set[str]:
    """Return the external ids of records that fail every batch they are written again in.

    They have a response without values, a draft that was stored so; the server cannot put it into its search index.
    """
    return {
        str(record["external_id"])
        for page in all_records(client, dataset, "responses")
        for record in page
        if any(response.get("values") is None for response in record.get("responses") or [])
    }


def send(
    client: ArgillaClient,
    dataset: Body,
    records: list[Body],
    on_progress: Callable[[int, int], None] | None = None,
    *,
    leave_out: Collection[str] = (),
) -> set[str]:
    """Write records in batches; return the external ids of those the server refuses, or that are to be left out.

    One refused record fails its batch, and is named in the answer: the batch is sent again without it.
    """
    refused = {str(one["external_id"]) for one in records if one["external_id"] in leave_out}
    done = 0
    for batch in _batches(records):
        left = [one for one in batch if one["external_id"] not in refused]
        while left:
            try:
                client.send("PUT", f"datasets/{dataset['id']}/records/bulk", json={"items": left})
                break
            except RefusedError as error:
                position = _position(error.said, len(left))
                if error.status != 422 or position is None:
                    raise
                refused.add(str(left[position]["external_id"]))
                left = left[:position] + left[position + 1 :]
        done += len(batch)
        if on_progress:
            on_progress(done, len(records))
    return refused


def _batches(records: list[Body]) -> Iterator[list[Body]]:
    batch: list[Body] = []
    chars = 0
    for record in records:
        size = sum(len(text) for text in record["fields"].values())
        if batch and (len(batch) == MOST_AT_ONCE or chars + size > MOST_CHARS_AT_ONCE):
            yield batch
            batch, chars = [], 0
        batch.append(record)
        chars += size
    if batch:
        yield batch


def _position(said: str, n_records: int) -> int | None:
    """The place in a batch of the record the server refuses, as its message names it."""
    words = said.split()
    place = words[3] if words[:3] == ["Record", "at", "position"] and len(words) > 3 else ""
    return int(place) if place.isdigit() and int(place) < n_records else None
