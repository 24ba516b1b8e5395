"""Publishing as the Hub's own client does it: once, resumed, never over what is not ours, each refusal in plain words."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.adapters.hub_plan import Does, Plan, check_name, look
from pipeline.adapters.hub_push import Pushed, push
from pipeline.adapters.hub_refusals import Target
from pipeline.errors import PublishError
from tests.fakes.hub import Fault
from tests.fakes.writable_hub import READ, WRITE, WritableHub

# huggingface_hub 2.4.0 hands its files to httpx2 in a way that warns.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

CARD = """---
language:
- nl
configs:
- config_name: dpo
  data_files:
  - split: train
    path: dpo/train.parquet
---
# Kaas
"""
ROWS = [{"prompt": [{"role": "user", "content": f"Vraag {n}?"}], "n_votes": n} for n in range(3)]


@pytest.fixture
def hub() -> Iterator[WritableHub]:
    with WritableHub() as running:
        yield running


def parquet(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def write_release(
    folder: Path, *, rows: list[dict] = ROWS, project: str = "kaas", kinds: tuple[str, ...] = ("dpo", "kto")
) -> Path:
    files = {f"{kind}/train.parquet": parquet([row | {"kind": kind} for row in rows]) for kind in kinds}
    files |= {f"{kind}/train.jsonl": json.dumps(rows).encode() for kind in kinds}
    manifest = {"project": project, "release_format": 1, "files": [{"path": path} for path in files]}
    for path, content in (files | {"README.md": CARD.encode(), "manifest.json": json.dumps(manifest).encode()}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_release(tmp_path / "kaas-1")


def target(hub: WritableHub, repo: str = "ana/kaas", *, token: str = WRITE, private: bool = True) -> Target:
    return Target(repo=repo, is_private=private, endpoint=hub.endpoint, token=token)


def send(hub: WritableHub, folder: Path, repo: str = "ana/kaas", version: str = "v1", **options: object) -> Pushed:
    pushed = push(target(hub, repo, **options), folder, project="kaas", version=version)
    assert pushed is not None
    return pushed


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def doings(plan: Plan) -> dict[str, Does]:
    return {step.path: step.does for step in plan.steps}


def test_a_release_becomes_one_private_commit_with_a_tag(hub, folder):
    pushed = send(hub, folder)
    repo = hub.repos["ana/kaas"]
    assert repo.private
    assert {path: content for path, content in repo.files.items() if path != ".gitattributes"} == files_of(folder)
    assert len(repo.commits) == 2  # what the Hub makes by itself, and ours
    assert repo.tags == {"v1": repo.head}
    assert (pushed.revision, pushed.tag, pushed.before) == (repo.head, "v1", "")
    assert pushed.url == f"{hub.endpoint}/datasets/ana/kaas"


def test_it_can_be_public_and_an_organisations(hub, folder):
    send(hub, folder, "kaasclub/kaas", private=False)
    assert not hub.repos["kaasclub/kaas"].private


def test_a_dry_run_lists_everything_and_changes_nothing(hub, folder):
    plan = look(target(hub), folder, project="kaas")
    assert doings(plan) == dict.fromkeys(sorted(files_of(folder)), Does.ADD)
    assert sum(step.size_bytes for step in plan.steps) == sum(map(len, files_of(folder).values()))
    assert (plan.exists, plan.user, plan.changes, plan.replaces) == (False, "ana", True, False)
    assert hub.repos == {}
    assert {asked.method for asked in hub.asked} == {"GET"}


def test_again_nothing_is_sent_and_nothing_changes(hub, folder):
    first, stored = send(hub, folder), list(hub.stored)
    assert send(hub, folder) == Pushed(
        **{name: getattr(first, name) for name in ("url", "revision", "tag", "before")}, uploaded=0, created=False
    )
    assert hub.stored == stored
    assert len(hub.repos["ana/kaas"].commits) == 2


def test_a_repository_that_was_there_was_not_created(hub, folder):
    pushed = send(hub, folder)
    hub.repos["ana/kaas"].tags.clear()
    assert (pushed.created, send(hub, folder).created) == (True, False)


def test_the_next_version_replaces_what_changed_removes_what_it_no_longer_has_and_the_old_one_stays_under_its_tag(
    hub, folder, tmp_path
):
    send(hub, folder)
    old = hub.repos["ana/kaas"].head
    hub.repos["ana/kaas"].commit(hub.repos["ana/kaas"].files | {"mine/notes.txt": b"mine"})
    by_hand = hub.repos["ana/kaas"].head
    new = write_release(tmp_path / "kaas-2", rows=ROWS[:2], kinds=("dpo",))
    plan = look(target(hub), new, project="kaas")
    assert doings(plan) == {
        "README.md": Does.KEEP,
        "dpo/train.jsonl": Does.REPLACE,
        "dpo/train.parquet": Does.REPLACE,
        "manifest.json": Does.REPLACE,
        "kto/train.jsonl": Does.REMOVE,
        "kto/train.parquet": Does.REMOVE,
    }
    pushed = send(hub, new, version="v2")
    repo = hub.repos["ana/kaas"]
    assert set(repo.files) == set(files_of(new)) | {".gitattributes", "mine/notes.txt"}
    # Somebody had changed the repository by hand since v1, so what v2 replaces gets a tag of its own.
    assert repo.tags == {"v1": old, f"before-v2-{by_hand[:8]}": by_hand, "v2": pushed.revision}
    assert pushed.before == f"before-v2-{by_hand[:8]}"
    assert (repo.at("v1") or ("", {}))[1]["kto/train.jsonl"] == json.dumps(ROWS).encode()


def test_a_version_that_another_workspace_published_keeps_its_tag(hub, folder, tmp_path):
    send(hub, folder)
    other = write_release(tmp_path / "other", rows=ROWS[:1])
    digest = hashlib.sha256((other / "manifest.json").read_bytes()).hexdigest()
    # The manifests of the two differ in the project's rows alone, which this little release does not name.
    (other / "manifest.json").write_text((other / "manifest.json").read_text() + "\n")
    digest = hashlib.sha256((other / "manifest.json").read_bytes()).hexdigest()
    assert send(hub, other).tag == f"v1-{digest[:8]}"


def test_after_a_refused_upload_the_next_try_sends_only_what_has_not_arrived(hub, folder):
    hub.faults.append(Fault(on="PUT", part="/lfs/", status=403))
    sha = {path: hashlib.sha256(content).hexdigest() for path, content in files_of(folder).items() if path.endswith(".parquet")}
    hub.faults[0] = Fault(on="PUT", part=f"/lfs/{sha['kto/train.parquet']}", status=403)
    with pytest.raises(PublishError):
        send(hub, folder)
    assert hub.stored == [sha["dpo/train.parquet"]]
    assert hub.repos["ana/kaas"].files.keys() == {".gitattributes"}  # nothing half is visible
    send(hub, folder)
    assert hub.stored == [sha["dpo/train.parquet"], sha["kto/train.parquet"]]


@pytest.mark.parametrize("part", ["/lfs/", "/commit/", "/api/datasets/ana/kaas", "/repos/create"])
@pytest.mark.parametrize("fault", [{"cut_after": 1}, {"status": 503}, {"status": 429}])
def test_a_cut_or_a_server_in_trouble_is_asked_again(hub, folder, part, fault):
    method = {"/lfs/": "PUT", "/api/datasets/ana/kaas": "GET"}.get(part, "POST")
    hub.faults.append(Fault(on=method, part=part, **fault))
    send(hub, folder)
    assert hub.faults == []
    assert set(hub.repos["ana/kaas"].files) == set(files_of(folder)) | {".gitattributes"}
    assert len(hub.stored) == 2


def test_a_commit_whose_answer_was_lost_is_found_and_not_made_twice(hub, folder):
    hub.lose_answer_to = "/commit/"
    send(hub, folder)
    assert len(hub.repos["ana/kaas"].commits) == 2


def test_somebody_elses_change_at_the_same_moment_is_told_and_nothing_is_overwritten(hub, folder, tmp_path):
    send(hub, folder)
    new = write_release(tmp_path / "kaas-2", rows=ROWS[:2])
    hub.before_commit = lambda repo: repo.commit(repo.files | {"notes.txt": b"theirs"})
    with pytest.raises(PublishError, match="Somebody else changed ana/kaas") as refused:
        send(hub, new, version="v2")
    assert "not sent twice" in refused.value.hint
    hub.before_commit = None
    send(hub, new, version="v2")
    assert hub.repos["ana/kaas"].files["notes.txt"] == b"theirs"


def test_when_asked_to_stop_nothing_becomes_visible(hub, folder):
    assert push(target(hub), folder, project="kaas", version="v1", should_stop=lambda: len(hub.stored) == 1) is None
    assert len(hub.stored) == 1
    assert len(hub.repos["ana/kaas"].commits) == 1


def test_progress_reaches_the_size_of_what_is_sent(hub, folder):
    seen: list[tuple[int, int]] = []
    push(target(hub), folder, project="kaas", version="v1", progress=lambda *now: seen.append(now))
    total = sum(map(len, files_of(folder).values()))
    assert seen[-1] == (total, total)


@pytest.mark.parametrize(
    ("token", "said", "way_out"),
    [
        ("", "no access token", "HF_TOKEN"),
        ("hf_wrong", "does not know the access token", "settings/tokens"),
        (READ, "may read but not write", "write access"),
    ],
)
def test_a_token_that_does_not_do_is_said_and_never_shown(hub, folder, token, said, way_out):
    with pytest.raises(PublishError, match=said) as refused:
        look(target(hub, token=token), folder, project="kaas")
    assert way_out in refused.value.hint
    assert "hf_" not in refused.value.message + refused.value.hint
    assert "hf_" not in repr(target(hub, token=token))


def test_an_organisation_without_the_right_to_write_is_said_with_those_that_have_it(hub, folder):
    for repo in ("stillclub/kaas", "strangers/kaas"):
        with pytest.raises(PublishError, match="no right to publish under") as refused:
            look(target(hub, repo), folder, project="kaas")
        assert "ana, kaasclub" in refused.value.hint


def test_a_right_the_hub_denies_is_told_in_its_words(hub, folder):
    hub.faults.append(Fault(on="POST", part="/repos/create", status=403))
    with pytest.raises(PublishError, match="no right to write to ana/kaas"):
        send(hub, folder)


def test_a_name_that_holds_something_else_is_taken(hub, folder):
    theirs = hub.add("ana/kaas", {"train.csv": b"theirs"}).head
    with pytest.raises(PublishError, match="is taken") as refused:
        send(hub, folder)
    assert "not there yet" in refused.value.hint
    hub.add("ana/melk", files_of(folder) | {"manifest.json": b'{"project": "melk", "release_format": 1}'})
    with pytest.raises(PublishError, match="is taken"):
        send(hub, folder, "ana/melk")
    assert hub.repos["ana/kaas"].head == theirs


def test_an_empty_repository_made_by_hand_is_filled(hub, folder):
    hub.add("ana/kaas", {"README.md": b"# soon"})
    assert send(hub, folder).before.startswith("before-v1-")
    assert hub.repos["ana/kaas"].files["README.md"] == CARD.encode()


@pytest.mark.parametrize(("private", "said"), [(True, "is public on the Hub, and you asked for private"), (False, "is private")])
def test_who_can_see_a_repository_is_never_changed_in_passing(hub, folder, private, said):
    hub.add("ana/kaas", private=not private)
    with pytest.raises(PublishError, match=said) as refused:
        send(hub, folder, private=private)
    assert "/settings" in refused.value.hint


@pytest.mark.parametrize(
    "name", ["", "kaas", "a/b/c", "ana/kaas met gaten", "ana/kaas--1", "ana/kaas.git", "ána/kaas", "ana/" + "k" * 100]
)
def test_a_name_the_hub_refuses_is_said_before_anything_is_asked(hub, folder, name):
    with pytest.raises(PublishError, match="does not take the name") as refused:
        look(target(hub, name), folder, project="kaas")
    assert (f"“{name}”" if name else "(none)") in refused.value.message
    assert "OWNER/NAME" in refused.value.hint
    assert hub.asked == []
    check_name("my-community/dutch_preferences.v1")


def test_a_name_only_the_hub_knows_to_refuse_is_told_in_its_words(hub, folder):
    with pytest.raises(PublishError, match="This name is reserved"):
        send(hub, folder, "ana/reserved-kaas")


def test_a_card_the_hub_refuses_is_told_in_its_words(hub, folder):
    (folder / "README.md").write_text(CARD.replace("- nl", "- Nederlands"))
    with pytest.raises(PublishError, match="must only contain lowercase"):
        send(hub, folder)
    assert hub.stored == [] or len(hub.repos["ana/kaas"].commits) == 1


def test_a_folder_that_is_no_whole_release_is_refused(hub, folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(PublishError, match="not hold a whole release"):
        look(target(hub), folder, project="kaas")


def test_no_network_is_said(folder):
    with WritableHub() as hub:
        gone = target(hub)
    with pytest.raises(PublishError, match="broke or was never made"):
        look(gone, folder, project="kaas")
