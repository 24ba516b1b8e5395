"""A release can be made again from the votes as they were then, to the byte, whatever people did since."""

import json
from pathlib import Path

import pytest

from pipeline.errors import ExportError
from pipeline.export import ReleaseOptions
from pipeline.records import Choice, Vote
from pipeline.settings import Settings
from pipeline.studio import Studio
from pipeline.wiring import open_studio

NAME = "Demonstration Dutch"


@pytest.fixture
def studio(workspace: Path) -> Studio:
    opened = open_studio(Settings(workspace=workspace))
    opened.demo("Dutch")
    return opened


def test_a_release_is_made_again_to_the_byte_after_votes_rules_names_and_guidelines_changed(studio: Studio):
    written = studio.export(NAME, ["all"])
    pairs = studio.store.pairs(NAME)["pair_id"]
    studio.store.add_votes(NAME, [Vote(pair_id=pair, annotator="newcomer", choice=Choice.SECOND) for pair in pairs])
    studio.save_settings(NAME, votes_wanted=5, guidelines="Something else.")
    studio.decisions.rename_annotator(NAME, "newcomer", "somebody")
    assert studio.contents(NAME, ["all"]).counts["votes"] > 0
    later = studio.export(NAME, ["all"])
    assert later.manifest_digest != written.manifest_digest
    for release in ("v2", "v3"):
        made = studio.remake(NAME, release)
        assert (made["is_the_same"], made["files_as_written"]) == (True, True)
    assert studio.remake(NAME, "v2")["digest"] == written.manifest_digest


def test_a_release_from_before_jsonl_was_a_choice_is_made_again_with_it(studio: Studio):
    written = studio.export(NAME, ["dpo"], options=ReleaseOptions(jsonl=True))
    inputs = studio.settings.workspace / "snapshots" / written.name / "inputs.json"
    kept = json.loads(inputs.read_text(encoding="utf-8"))
    del kept["options"]["jsonl"]
    inputs.write_text(json.dumps(kept), encoding="utf-8")
    assert studio.remake(NAME, "latest")["is_the_same"]


def test_a_release_that_was_changed_by_hand_is_told_from_what_it_was_made_as(studio: Studio):
    card = Path(studio.store.release(NAME, "latest").directory) / "README.md"
    card.write_text("Changed.")
    made = studio.remake(NAME, "latest")
    assert (made["is_the_same"], made["files_as_written"]) == (True, False)


def test_nothing_of_a_snapshot_stands_in_a_release(studio: Studio):
    annotators = set(studio.store.votes(NAME)["annotator"])
    written = Path(studio.export(NAME, ["all"]).directory)
    texts = b"".join(path.read_bytes() for path in written.rglob("*.json*"))
    assert not any(name.encode() in texts for name in annotators)
    assert studio.store.project(NAME).order_key.encode() not in texts


def test_a_workspace_that_takes_no_snapshot_says_what_was_written_and_the_next_try_gives_it_its_version(studio: Studio):
    snapshots = studio.settings.workspace / "snapshots"
    snapshots.rename(snapshots.with_name("away"))
    snapshots.write_text("a file where the folder should be")
    with pytest.raises(ExportError, match="has no version yet") as refused:
        studio.export(NAME, ["kto"])
    assert "export again" in refused.value.hint
    assert len(studio.store.releases(NAME)) == 1
    snapshots.unlink()
    written = studio.export(NAME, ["kto"])
    assert (written.created, written.version) == (False, 2)


def test_a_release_without_a_snapshot_says_so(studio: Studio):
    (studio.settings.workspace / "snapshots" / studio.store.releases(NAME)[0].name / "inputs.json").unlink()
    with pytest.raises(ExportError, match="cannot be made again"):
        studio.remake(NAME, "latest")
