"""From votes to the Hub and back, in the terminal: what was published is what was exported, and the studio remembers where."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hub import Fault
from tests.fakes.writable_hub import READ, WRITE, WritableHub
from tests.terminal import ROOT, Result, environment, studio

PROJECT = "Demonstration Dutch"
READING = """
import json, sys
from datasets import load_dataset
found = {kind: load_dataset("ana/kaas", kind, revision=sys.argv[1]) for kind in sys.argv[2:]}
print(json.dumps({f"{kind}/{split}": [dict(row) for row in part] for kind in found for split, part in found[kind].items()}))
"""


@pytest.fixture
def hub() -> Iterator[WritableHub]:
    with WritableHub() as running:
        yield running


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a demonstration and one release of everything."""
    workspace = tmp_path_factory.mktemp("publishing") / "workspace"
    assert studio(workspace, "demo", "--language", "Dutch").code == 0
    assert studio(workspace, "export", PROJECT, "--format", "all", "--out", workspace.parent / "all", "--jsonl").code == 0
    return workspace


def publish(hub: WritableHub, workspace: Path, *options: str, token: str = WRITE) -> Result:
    env = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0", "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    return studio(workspace, "publish", PROJECT, "latest", "--repo", "ana/kaas", *options, **env)


def read_back(hub: WritableHub, folder: Path, version: str, *kinds: str) -> dict[str, list[dict]]:
    env = environment(folder / "w", HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="0", HF_TOKEN=READ, HF_HOME=str(folder / "hf"))
    command = [sys.executable, "-c", READING, version, *kinds]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_release_goes_to_the_hub_and_comes_back_with_equal_rows(hub: WritableHub, demo: Path, tmp_path: Path):
    listed = publish(hub, demo, "--dry-run")
    assert listed.code == 0
    assert (listed.answer["version"], listed.answer["exists"], listed.answer["user"]) == ("v2", False, "ana")
    assert {"README.md", "manifest.json", "dpo/train.parquet"} <= {file["path"] for file in listed.answer["files"]}
    assert hub.repos == {}

    done = publish(hub, demo)
    assert (done.code, done.answer["tag"], done.answer["is_private"]) == (0, "v2", True)
    assert WRITE not in json.dumps(done.answer) + done.messages
    repo = hub.repos["ana/kaas"]
    assert {file["path"] for file in listed.answer["files"]} == set(repo.files) - {".gitattributes"}
    for part, rows in read_back(hub, tmp_path, "v2", "dpo", "votes").items():
        lines = (demo.parent / "all" / f"{part}.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
        assert rows == [json.loads(line) for line in lines]

    known = studio(demo, "releases", PROJECT).answer
    assert [(each["version"], each["published"]) for each in known["releases"]] == [("v2", "ana/kaas"), ("v1", "")]
    assert known["publications"][0]["revision"] == repo.head


def test_a_refusal_has_exit_code_1_and_a_way_out(hub: WritableHub, demo: Path):
    refused = publish(hub, demo, token=READ)
    assert refused.code == 1
    assert "may read but not write" in refused.answer["error"]
    assert "settings/tokens" in refused.answer["hint"]


def test_a_run_that_broke_goes_on_without_sending_again(hub: WritableHub, demo: Path):
    hub.faults.append(Fault(on="POST", part="/commit/", status=403))
    assert publish(hub, demo).code == 1
    sent = list(hub.stored)
    assert len(sent) > 3
    assert publish(hub, demo).code == 0
    assert hub.stored == sent


def test_a_release_that_was_changed_by_hand_is_not_published(hub: WritableHub, demo: Path):
    manifest = demo.parent / "all" / "manifest.json"
    written = manifest.read_bytes()
    manifest.write_bytes(written + b" ")
    refused = publish(hub, demo)
    manifest.write_bytes(written)
    assert refused.code == 1
    assert "changed since it was written" in refused.answer["error"]
    assert hub.asked == []
