"""Hub push: one release becomes one commit of a dataset repository on the Hugging Face Hub.

A folder, a repository's name and an access token come in; a plan (what would be added, replaced, removed) or the commit it
became goes out. Large files travel first and one by one, and no later try sends again what has arrived; the commit then shows
all of them at once. What it replaces keeps a tag. Files that no release of this project put there are never removed.
"""

import contextlib
import functools
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_session, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.hf_api import DatasetInfo, RepoSibling
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import hf_raise_for_status
from huggingface_hub.utils._validators import validate_repo_id

from pipeline.adapters.hub_calls import (
    Found,
    answer_to,
    is_of_the_disk,
    is_of_the_network,
    patiently,
    status_of,
    use_time_limits,
)
from pipeline.errors import PublishError
from pipeline.release import MANIFEST

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

DATASET = "dataset"
NOT_OURS_BUT_HARMLESS = {".gitattributes", ".gitignore", "README.md", "LICENSE"}
"""A repository that holds nothing else was made by hand for a release, or by a try that did not get further."""
NEW_TOKEN = "Make a token with write access at {endpoint}/settings/tokens and give it in the variable HF_TOKEN."  # noqa: S105


class Does(StrEnum):
    """What a push does to a file of the repository."""

    ADD = "add"
    REPLACE = "replace"
    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a release goes: `repo` is OWNER/NAME. The token is used and kept nowhere."""

    repo: str
    is_private: bool
    endpoint: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One file of a plan."""

    path: str
    size_bytes: int
    does: Does


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a push would do. `head` is the commit it would follow, empty for a new repository; `tags` are name to commit."""

    repo: str
    user: str
    exists: bool
    head: str
    steps: tuple[Step, ...]
    tags: Mapping[str, str]

    @property
    def changes(self) -> bool:
        """Whether anything would change."""
        return any(step.does is not Does.KEEP for step in self.steps)

    @property
    def replaces(self) -> bool:
        """Whether something that is there would no longer be there as it was."""
        return any(step.does in (Does.REPLACE, Does.REMOVE) for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """Where a release went: the commit, its tag, and the tag under which the state before it can be had (or empty)."""

    url: str
    revision: str
    tag: str
    before: str
    uploaded: int
    created: bool


def check_name(repo: str) -> None:
    """Refuse a name that the Hub would refuse.

    Raises:
        PublishError: The name is not OWNER/NAME in the Hub's letters.
    """
    try:
        validate_repo_id(repo)
        is_whole = repo.count("/") == 1
    except HFValidationError:
        is_whole = False
    if not is_whole:
        raise PublishError(
            f"The Hub does not take the name {repo or '(none)'} for a dataset.",
            hint="Write it as OWNER/NAME with letters a-z, digits, - _ and single dots inside, at most 96 characters;"
            " OWNER is your name on the Hub or an organisation's. For example my-community/dutch-preferences.",
        )


def look(target: Target, folder: Path, *, project: str) -> Plan:
    """Say what a push would do; nothing is changed anywhere.

    Raises:
        PublishError: The name, the token or the rights do not do, the name is taken, or the Hub cannot be reached.
    """
    check_name(target.repo)
    use_time_limits()
    api = HfApi(endpoint=target.endpoint, token=target.token or False)
    user = _check_rights(api, target)
    info = _find(api, target)
    local = _local_files(folder)
    if info is None:
        steps = [Step(path=path, size_bytes=file.stat().st_size, does=Does.ADD) for path, file in local.items()]
        return Plan(repo=target.repo, user=user, exists=False, head="", steps=tuple(steps), tags={})
    _check_visibility(info, target)
    there = {file.rfilename: file for file in info.siblings or []}
    ours = _files_of_last_release(target, there, str(info.sha), project)
    refs = _asking(target, lambda: api.list_repo_refs(target.repo, repo_type=DATASET))
    return Plan(
        repo=target.repo,
        user=user,
        exists=True,
        head=str(info.sha),
        steps=tuple(_compare(local, there, ours)),
        tags={tag.name: tag.target_commit for tag in refs.tags},
    )


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
        _asking(target, lambda: api.create_repo(target.repo, repo_type=DATASET, private=target.is_private, exist_ok=True))
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
        _asking(target, lambda: api.create_tag(target.repo, repo_type=DATASET, tag=tag, revision=revision, exist_ok=True))
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
        _asking(target, send, attempts=1)
        done += step.size_bytes
        if progress is not None:
            progress(done, total)
    return True


def _check_rights(api: HfApi, target: Target) -> str:
    """Return whose token it is; refuse one that cannot write where the release shall go."""
    new_token = NEW_TOKEN.format(endpoint=target.endpoint)
    if not target.token:
        raise PublishError("There is no access token for the Hub.", hint=f"{new_token} It is never stored or shown.")
    answer = _asking(target, lambda: api.whoami(token=target.token))
    role = answer.get("auth", {}).get("accessToken", {}).get("role", "")
    if role == "read":
        raise PublishError("The access token in HF_TOKEN may read but not write.", hint=new_token)
    owner, user = target.repo.split("/")[0], str(answer["name"])
    roles = {org["name"]: org.get("roleInOrg", "") for org in answer.get("orgs", [])}
    if owner == user or roles.get(owner, "read") != "read":
        return user
    where = ", ".join([user, *(name for name, rights in roles.items() if rights != "read")])
    raise PublishError(
        f"The token of {user} has no right to publish under {owner}.",
        hint=f"Publish under one of: {where}. Or ask an administrator of {owner} for the right to write.",
    )


def _find(api: HfApi, target: Target) -> DatasetInfo | None:
    """The repository as it is, None where there is none."""

    def ask() -> DatasetInfo | None:
        try:
            return api.dataset_info(target.repo, files_metadata=True)
        except RepositoryNotFoundError:
            return None

    return _asking(target, ask)


def _check_visibility(info: DatasetInfo, target: Target) -> None:
    if bool(info.private) == target.is_private:
        return
    is_now, asked = ("private", "public") if info.private else ("public", "private")
    raise PublishError(
        f"{target.repo} is {is_now} on the Hub, and you asked for {asked}.",
        hint=f"Publish as {is_now}, or change it first at {target.endpoint}/datasets/{target.repo}/settings.",
    )


def _local_files(folder: Path) -> dict[str, Path]:
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if MANIFEST not in files:
        raise PublishError(
            f"{folder} does not hold a whole release: it has no {MANIFEST}.",
            hint="Put the folder back where it was written, or export the release again.",
        )
    return files


def _files_of_last_release(target: Target, there: Mapping[str, RepoSibling], head: str, project: str) -> set[str]:
    """The files that a release of this project put there; refuse a repository that holds something else."""
    if set(there) <= NOT_OURS_BUT_HARMLESS:
        return set()
    manifest = _read_json(target, MANIFEST, head) if MANIFEST in there else {}
    if manifest.get("project") != project or "release_format" not in manifest:
        raise PublishError(
            f"The name {target.repo} is taken: the repository holds something that is no release of this project.",
            hint="Choose a name that is not there yet; nothing was changed.",
        )
    files = manifest.get("files")
    return {str(file["path"]) for file in files} | {MANIFEST} if isinstance(files, list) else set()


def _read_json(target: Target, path: str, revision: str) -> dict[str, object]:
    url = hf_hub_url(target.repo, path, repo_type=DATASET, revision=revision, endpoint=target.endpoint)

    def ask() -> dict[str, object]:
        response = get_session().get(url, headers=build_hf_headers(token=target.token))
        hf_raise_for_status(response)
        try:
            found = json.loads(response.content)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    return _asking(target, ask)


def _compare(local: Mapping[str, Path], there: Mapping[str, RepoSibling], ours: set[str]) -> Iterable[Step]:
    for path, file in local.items():
        known = there.get(path)
        does = Does.ADD if known is None else Does.KEEP if _is_same(file, known) else Does.REPLACE
        yield Step(path=path, size_bytes=file.stat().st_size, does=does)
    for path in sorted(ours & set(there) - set(local)):
        yield Step(path=path, size_bytes=int(there[path].size or 0), does=Does.REMOVE)


def _is_same(file: Path, known: RepoSibling) -> bool:
    with file.open("rb") as opened:
        if known.lfs:
            return hashlib.file_digest(opened, "sha256").hexdigest() == known.lfs.sha256
        content = opened.read()
    # The id that git gives to a small file.
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == known.blob_id


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
    _asking(target, lambda: api.create_tag(target.repo, repo_type=DATASET, tag=tag, revision=plan.head, exist_ok=True))
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

    return _asking(target, ask)


def _asking(target: Target, ask: Callable[[], Found], *, attempts: int = 3) -> Found:
    return patiently(ask, refuse=lambda error: _refuse(error, target), attempts=attempts)


def _refuse(error: Exception, target: Target) -> NoReturn:
    """Translate an error of the Hub's client into ours; what the Hub says of it is told, never a token."""
    status, again = status_of(error), "Publish again: what has arrived is not sent twice."
    if isinstance(error, OfflineModeIsEnabled):
        what, hint = "Publishing is switched off here (HF_HUB_OFFLINE is set).", "Unset HF_HUB_OFFLINE and publish again."
    elif is_of_the_disk(error) and isinstance(error, OSError):
        what, hint = f"A file of the release cannot be read: {error.strerror}.", "Check the release's folder, then publish again."
    elif status == 401:
        what, hint = "The Hub does not know the access token in HF_TOKEN.", NEW_TOKEN.format(endpoint=target.endpoint)
    elif status == 403:
        what = f"The access token in HF_TOKEN has no right to write to {target.repo}{_said(error)}."
        hint = f"{NEW_TOKEN.format(endpoint=target.endpoint)} Or publish under a name of your own."
    elif status == 400:
        what, hint = (
            f"The Hub refused {target.repo}{_said(error)}.",
            "Choose another name, or mend what it says, and publish again.",
        )
    elif status in (409, 412):
        what = f"Somebody else changed {target.repo} at the same moment."
        hint = f"Look at what changed on the Hub. {again}"
    elif status == 404:
        what, hint = f"{target.repo} is no longer there.", f"Check the name on the Hub. {again}"
    elif status == 429:
        what, hint = "The Hub asks for patience: too many requests.", f"Wait some minutes. {again}"
    elif status:
        what, hint = f"{target.endpoint} is in trouble (it answered {status}).", f"Try again in some minutes. {again}"
    elif isinstance(error, ValueError):
        first = next(iter(str(error).strip().splitlines()), "")
        what, hint = f"The Hub refused the files: {first}", "Mend what it says, export again, and publish the new release."
    elif is_of_the_network(error):
        what, hint = f"The connection to {target.endpoint} broke or was never made.", f"Check the network connection. {again}"
    else:
        what, hint = f"The Hub's client gave up: {error}", again
    raise PublishError(what, hint=hint) from error


def _said(error: Exception) -> str:
    """What the Hub itself says of a refusal, in brackets."""
    response = answer_to(error)
    said = response.headers.get("X-Error-Message", "") if response is not None else ""
    if response is not None and not said:
        with contextlib.suppress(ValueError):
            said = _reason_in(response.json())
    return f" (it says: {said.strip().rstrip('.')})" if said else ""


def _reason_in(found: object) -> str:
    if not isinstance(found, dict):
        return ""
    errors = found.get("errors")
    several = [str(each.get("message", "")) for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    return str(found.get("error") or "; ".join(several))
