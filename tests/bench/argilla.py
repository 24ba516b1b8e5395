"""Argilla benchmark: a push and a pull against the plain requests they are made of, and against Argilla's own SDK.

10,000 records with 2 responses each on a real server on this machine. Raw: the same pages, read and parsed, nothing
else. SDK: `Dataset.records(with_responses=True)` and `Dataset.records.log`, on a dataset of its own of the same shape.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import argilla as rg

from pipeline.adapters import argilla_records
from pipeline.adapters.argilla_backend import ArgillaBackend
from pipeline.adapters.argilla_links import ArgillaLinks
from pipeline.adapters.store import open_store
from tests.argilla.people import Body, Site
from tests.argilla.project import NAME, fill
from tests.argilla.stack import API_KEY, Ports, Stack
from tests.serving import free_port

RECORDS = int(os.environ.get("BENCH_RECORDS", "10000"))
LOGGED = RECORDS // 10
"""As many records are logged by the SDK and by a push to compare their rates."""
GOAL_PULL_RATIO = 1.5
CHOICES = ("first", "second", "tie", "both_bad")


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def answered(site: Site, dataset: Body, people: list[str]) -> None:
    """Give every record a submitted response of each person, as an admin may."""
    for page in argilla_records.all_records(site.owner, dataset):
        for start in range(0, len(page), 250):
            items = [
                {"external_id": record["external_id"], "fields": record["fields"], "responses": _responses(number, people)}
                for number, record in enumerate(page[start : start + 250])
            ]
            site.owner.send("PUT", f"datasets/{dataset['id']}/records/bulk", json={"items": items})


def _responses(number: int, people: list[str]) -> list[Body]:
    return [
        {"user_id": person, "status": "submitted", "values": {"choice": {"value": CHOICES[(number + place) % 4]}}}
        for place, person in enumerate(people)
    ]


def sdk_dataset(client: rg.Argilla, workspace: str) -> rg.Dataset:
    settings = rg.Settings(
        fields=[rg.TextField(name=name) for name in ("prompt", "first", "second")],
        questions=[rg.LabelQuestion(name="choice", labels=[*CHOICES, "skip"])],
        metadata=[rg.TermsMetadataProperty(name="seal", visible_for_annotators=False)],
    )
    return rg.Dataset(name="sdk", workspace=workspace, settings=settings, client=client).create()


def measure(stack: Stack, folder: Path) -> dict[str, float]:
    site, store = Site(stack), open_store(f"sqlite:///{folder / 'bench.db'}")
    backend = ArgillaBackend(store, site.owner, site.workspace)
    client = rg.Argilla(api_url=stack.url, api_key=API_KEY, retries=0)
    # The rate of a push: the dataset is there, LOGGED records are new.
    pairs = fill(store, pairs=RECORDS)
    backend.push(NAME, pairs[:1])
    link = ArgillaLinks(store).link(NAME)
    if link is None:
        raise RuntimeError("the push left no link")
    dataset = site.owner.get(f"datasets/{link.dataset_id}")
    push_s = timed(lambda: backend.push(NAME, pairs[1 : LOGGED + 1]))
    records = [one for page in argilla_records.all_records(site.owner, dataset) for one in page][:LOGGED]
    logged = [rg.Record(id=one["external_id"], fields=one["fields"], metadata=one["metadata"]) for one in records]
    own = sdk_dataset(client, site.workspace)
    log_s = timed(lambda: own.records.log(logged, batch_size=250))
    # A pull of everything.
    backend.push(NAME, pairs)
    people = [site.person(name).id for name in ("ana", "bo")]
    answered(site, dataset, people)
    raw_s = min(timed(lambda: sum(len(page) for page in argilla_records.answered(site.owner, dataset))) for _ in range(2))
    pull_s = timed(lambda: backend.pull(NAME))
    again_s = timed(lambda: backend.pull(NAME))
    polls = sorted(timed(lambda: backend.progress(NAME)) for _ in range(20))
    votes = store.vote_counts(NAME)["votes"]
    mine = client.datasets(name=NAME, workspace=site.workspace)
    sdk_s = timed(lambda: sum(1 for _ in mine.records(with_responses=True, batch_size=1000)))
    site.close()
    store.close()
    return {
        "records": RECORDS,
        "votes": votes,
        "raw_s": raw_s,
        "pull_s": pull_s,
        "pull_again_s": again_s,
        "poll_s": polls[10],
        "sdk_read_s": sdk_s,
        "pull_to_raw": pull_s / raw_s,
        "sdk_to_raw": sdk_s / raw_s,
        "push_per_s": LOGGED / push_s,
        "sdk_log_per_s": LOGGED / log_s,
        "push_to_sdk_rate": log_s / push_s,
    }


def main() -> int:
    # Whoever ends the benchmark early ends its server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    ports = Ports(*(free_port() for _ in range(4)))
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "stack", ports)
        stack.start()
        try:
            told = measure(stack, Path(folder))
        finally:
            stack.stop()
    # Asked for more at once than there are records, the SDK says that it sends as many as there are.
    batch = min(250, LOGGED)
    print(f"{RECORDS:,} records, 2 responses each; {LOGGED:,} logged by push and by SDK, {batch} at once.")
    print(f"Server, OpenSearch and Redis on this machine with {os.cpu_count()} cores.")
    print(json.dumps({name: round(value, 3) for name, value in told.items()}))
    return int(told["pull_to_raw"] > GOAL_PULL_RATIO or told["votes"] != 2 * RECORDS)


if __name__ == "__main__":
    sys.exit(main())
