"""Hub plan: what would publishing a release change on the Hugging Face Hub, and what stands in the way?

A folder, a repository's name and an access token come in; a plan goes out: what would be added, replaced, removed. Changes
nothing anywhere. Files that no release of this project put there are never to be removed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from huggingface_hub import HfApi, get_session, hf_hub_url
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from huggingface_hub.hf_api import DatasetInfo, RepoSibling
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import hf_raise_for_status
from huggingface_hub.utils._validators import validate_repo_id

from pipeline.adapters.hub_calls import use_time_limits
from pipeline.adapters.hub_refusals import NEW_TOKEN, Target, asking
from pipeline.errors import PublishError
from pipeline.release import MANIFEST

DATASET = "dataset"
NOT_OURS_BUT_HARMLESS = {".gitattributes", ".gitignore", "README.md", "LICENSE"}
"""A repository that holds nothing else was made by hand for a release, or by a try that did not get further."""


class Does(StrEnum):
    """What a push does to a file of the repository."""

    ADD = "add"
    REPLACE = "replace"
    KEEP = "keep"
    REMOVE = "remove"


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
            f"The Hub does not take the name {f'“{repo}”' if repo else '(none)'} for a dataset.",
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
    refs = asking(target, lambda: api.list_repo_refs(target.repo, repo_type=DATASET))
    return Plan(
        repo=target.repo,
        user=user,
        exists=True,
        head=str(info.sha),
        steps=tuple(_compare(local, there, ours)),
        tags={tag.name: tag.target_commit for tag in refs.tags},
    )


def _check_rights(api: HfApi, target: Target) -> str:
    """Return whose token it is; refuse one that cannot write where the release shall go."""
    new_token = NEW_TOKEN.format(endpoint=target.endpoint)
    if not target.token:
        raise PublishError("There is no access token for the Hub.", hint=f"{new_token} It is never stored or shown.")
    answer = asking(target, lambda: api.whoami(token=target.token))
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

    return asking(target, ask)


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

    return asking(target, ask)


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
