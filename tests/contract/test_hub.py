"""The Hub as its own client meets it: is the published file fetched once, whole, and is every refusal said in plain words?"""

import dataclasses
import hashlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.adapters import hub as hub_adapter
from pipeline.adapters import parquet
from pipeline.errors import SourceError
from pipeline.source import Source
from tests.fakes.hub import DATASET, REVISION, Fault, Hub

FILE = "data/train-00000-of-00001.parquet"


def content(n_rows: int = 20_000, answer_parts: int = 1) -> bytes:
    """A Parquet file in Aya's columns: a megabyte and a half, or more with longer answers."""
    table = pa.table(
        {
            "inputs": [f"prompt {i}" for i in range(n_rows)],
            "targets": [hashlib.sha256(str(i).encode()).hexdigest() * answer_parts for i in range(n_rows)],
            "language": [["Dutch", "Urdu"][i % 2] for i in range(n_rows)],
            "language_code": [["nld", "urd"][i % 2] for i in range(n_rows)],
            "annotation_type": ["original-annotations"] * n_rows,
            "user_id": [f"u{i % 7}" for i in range(n_rows)],
        }
    )
    buffer = io.BytesIO()
    pa.parquet.write_table(table, buffer, compression="none", use_dictionary=False)
    return buffer.getvalue()


CONTENT = content()
PUBLISHED = hub_adapter.Published(
    dataset=DATASET, revision=REVISION, prefix="data/train-", sha256=hashlib.sha256(CONTENT).hexdigest()
)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({FILE: CONTENT, "data/test-00000-of-00001.parquet": b"other", "README.md": b"# card"}) as running:
        yield running


def open_hub(hub: Hub, workspace: Path, *, token: str = "", **changes: str) -> Source:
    published = dataclasses.replace(PUBLISHED, **({"endpoint": hub.endpoint} | changes))
    return parquet.open_source("hub", workspace=workspace, endpoint=hub.endpoint, token=token, published=published)


def test_the_file_is_downloaded_once_and_its_revision_is_recorded(hub: Hub, workspace: Path):
    assert not parquet.hub_is_downloaded(workspace, PUBLISHED)
    source = open_hub(hub, workspace)
    asked = len(hub.asked)
    assert source == open_hub(hub, workspace)
    assert len(hub.asked) == asked  # a second opening asks nothing
    assert (source.name, source.revision, source.is_demonstration) == ("hub", REVISION, False)
    assert parquet.hub_is_downloaded(workspace, PUBLISHED)
    assert parquet.summary(source)["rows"].to_list() == [10_000, 10_000]
    assert [path.name for path in (workspace / "sources").iterdir() if not path.name.endswith(".lock")] == [source.path.name]


def test_progress_reaches_the_size_of_the_file(hub: Hub, workspace: Path):
    seen: list[tuple[int, int]] = []
    published = dataclasses.replace(PUBLISHED, endpoint=hub.endpoint)
    parquet.open_source(
        "hub", workspace=workspace, endpoint=hub.endpoint, published=published, progress=lambda *now: seen.append(now)
    )
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_cut_connection_goes_on_where_it_stopped(workspace: Path):
    long = content(answer_parts=9)
    with Hub({FILE: long}, faults=[Fault(cut_after=12_000_000)]) as hub:
        source = open_hub(hub, workspace, sha256=hashlib.sha256(long).hexdigest())
    # The Hub's client writes pieces of 10 MiB and goes on after the last whole one.
    assert [asked.range for asked in hub.downloads()] == ["", f"bytes={10 << 20}-"]
    assert parquet.summary(source)["rows"].sum() == 20_000


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(status=503, part="/api/"), Fault(on="HEAD", status=502)])
def test_a_server_in_trouble_is_asked_again(hub: Hub, workspace: Path, fault: Fault):
    hub.faults.append(fault)
    assert parquet.summary(open_hub(hub, workspace))["rows"].sum() == 20_000


def test_a_server_that_stays_in_trouble_is_given_up_with_another_way(hub: Hub, workspace: Path):
    hub.faults += [Fault(part="/api/", status=500)] * 3
    with pytest.raises(SourceError, match=r"in trouble .*500") as refused:
        open_hub(hub, workspace)
    assert "demonstration sample" in refused.value.hint
    assert len(hub.asked) == 3


def test_a_dataset_the_hub_does_not_have_is_said(hub: Hub, workspace: Path):
    with pytest.raises(SourceError, match="does not have this dataset"):
        open_hub(hub, workspace, dataset="somebody/other")
    with pytest.raises(SourceError, match="does not have this dataset"):
        open_hub(hub, workspace, revision="f" * 40)


def test_a_file_that_is_gone_is_said(workspace: Path):
    with Hub({"README.md": b"# card"}) as hub, pytest.raises(SourceError, match="lists 0 files"):
        open_hub(hub, workspace)


def test_a_refused_token_is_said_and_never_shown(hub: Hub, workspace: Path):
    hub.faults.append(Fault(part="/api/", status=401))
    with pytest.raises(SourceError, match="refused") as refused:
        open_hub(hub, workspace, token="hf_secret")
    assert "HF_TOKEN" in refused.value.hint
    assert "hf_secret" not in refused.value.message + refused.value.hint
    assert hub.asked[0].authorization == "Bearer hf_secret"


def test_no_network_is_said_with_another_way(workspace: Path):
    with Hub({}) as hub:
        gone = hub.endpoint
    with pytest.raises(SourceError, match="cannot be reached") as refused:
        parquet.open_source("hub", workspace=workspace, endpoint=gone, published=PUBLISHED)
    assert "demonstration sample" in refused.value.hint


def test_another_file_than_the_published_one_is_refused_and_not_kept(hub: Hub, workspace: Path):
    with pytest.raises(SourceError, match="not the published one"):
        open_hub(hub, workspace, sha256="0" * 64)
    assert not parquet.hub_is_downloaded(workspace, PUBLISHED)
    assert list((workspace / "sources").glob("*.parquet")) == []


def test_a_mirror_must_send_what_it_lists(hub: Hub, workspace: Path):
    hub.served[FILE] = CONTENT[:-8] + b"tampered"
    with pytest.raises(SourceError, match="not the published one"):
        open_hub(hub, workspace, endpoint="https://hub.example")


def test_a_dataset_that_was_renamed_is_found_under_its_new_name(hub: Hub, workspace: Path):
    hub.moved_from = "somebody/old_name"
    source = open_hub(hub, workspace, dataset="somebody/old_name")
    assert parquet.summary(source)["rows"].sum() == 20_000


def test_two_who_ask_at_once_download_once(hub: Hub, workspace: Path):
    threads = [threading.Thread(target=open_hub, args=(hub, workspace)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hub.downloads()) == 1


def test_the_pinned_facts_name_the_train_split_of_aya():
    published = hub_adapter.aya()
    assert published.dataset == "CohereForAI/aya_dataset"
    assert len(published.revision) == 40
    assert len(published.sha256) == 64
