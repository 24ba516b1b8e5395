"""Hub push: one release becomes one commit of a dataset repository on the Hugging Face Hub.

A folder, a repository's name and an access token come in; the commit it became goes out. Large files travel first and one by
one, and no later try sends again what has arrived; the commit then shows all of them at once. What it replaces keeps a tag.
"""

import functools
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from pipeline.adapters.hub_calls import status_of
from pipeline.adapters.hub_plan import DATASET, Does, Plan, Step, look
from pipeline.adapters.hub_refusals import Target, asking
from pipeline.release import MANIFEST

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """Where a release went: the commit, its tag, and the tag under which the state before it can be had (or empty)."""

    url: str
    revision: str
    tag: str
    before: str
    uploaded: int
    created: bool


def push(
    target: Target,
    folder: Path,
    *,
    project: str,
    version: str,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Pushed | None:
    """Bring a release to the Hub and tag it with its version; None when it was asked to stop before the commit.

    Doing it again goes on where an earlier try ended, and changes nothing once all is there.

    Raises:
        PublishError: As `look`; or the repository changed meanwhile, or the connection broke.
    """
    plan = look(target, folder, project=project)
    api, created = HfApi(endpoint=target.endpoint, token=target.token), not plan.exists
    if created:
        asking(target, lambda: api.create_repo(target.repo, repo_type=DATASET, private=target.is_private, exist_ok=True))
        plan = look(target, folder, project=project)
    tag = _free_tag(version, plan, folder)
    before = _keep_before(api, target, plan, version)
    uploads = [step for step in plan.steps if step.does in (Does.ADD, Does.REPLACE)]
    additions = [CommitOperationAdd(step.path, folder / step.path) for step in uploads]
    if not _send(api, target, uploads, additions, progress, should_stop):
        return None
    removals = [CommitOperationDelete(step.path) for step in plan.steps if step.does is Does.REMOVE]
    revision = _commit(api, target, plan, [*additions, *removals], version, folder, project) if plan.changes else plan.head
    if tag not in plan.tags:
        asking(target, lambda: api.create_tag(target.repo, repo_type=DATASET, tag=tag, revision=revision, exist_ok=True))
    log.info("pushed %d files, revision=%s", len(uploads), revision)
    return Pushed(
        url=f"{target.endpoint}/datasets/{target.repo}",
        revision=revision,
        tag=tag,
        before=before,
        uploaded=len(uploads),
        created=created,
    )


def _send(
    api: HfApi,
    target: Target,
    steps: list[Step],
    additions: list[CommitOperationAdd],
    progress: Progress | None,
    should_stop: Callable[[], bool],
) -> bool:
    """Send the large files, one after the other; False when asked to stop. Small files travel with the commit."""
    done, total = 0, sum(step.size_bytes for step in steps)
    for step, addition in zip(steps, additions, strict=True):
        if should_stop():
            return False
        send = functools.partial(
            api.preupload_lfs_files, target.repo, [addition], repo_type=DATASET, num_threads=1, free_memory=False
        )
        # The client waits and asks again by itself where files travel.
        asking(target, send, attempts=1)
        done += step.size_bytes
        if progress is not None:
            progress(done, total)
    return True


def _free_tag(version: str, plan: Plan, folder: Path) -> str:
    """The version as a tag; where another workspace's release has that one already, with the fingerprint of ours."""
    taken = plan.tags.get(version)
    if taken is None or (taken == plan.head and not plan.changes):
        return version
    return f"{version}-{hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:8]}"


def _keep_before(api: HfApi, target: Target, plan: Plan, version: str) -> str:
    """Give what is about to be replaced a tag by which it can be had for ever; return it, empty where nothing is replaced."""
    if not plan.replaces:
        return ""
    known = next((tag for tag, commit in plan.tags.items() if commit == plan.head), "")
    if known:
        return known
    tag = f"before-{version}-{plan.head[:8]}"
    asking(target, lambda: api.create_tag(target.repo, repo_type=DATASET, tag=tag, revision=plan.head, exist_ok=True))
    return tag


def _commit(
    api: HfApi,
    target: Target,
    plan: Plan,
    operations: list[CommitOperationAdd | CommitOperationDelete],
    version: str,
    folder: Path,
    project: str,
) -> str:
    """Make everything visible at once; return the commit, ours too where only its answer was lost."""

    def ask() -> str:
        try:
            made = api.create_commit(
                target.repo,
                operations,
                repo_type=DATASET,
                commit_message=f"Release {version}",
                parent_commit=plan.head,
            )
        except HfHubHTTPError as error:
            if status_of(error) not in (409, 412):
                raise
            now = look(target, folder, project=project)
            if now.changes:
                raise
            return now.head
        return made.oid

    return asking(target, ask)
