"""Hub: fetch the one published file of Aya, at one pinned revision, and prove that it arrived whole.

Comes in: an endpoint of the Hugging Face Hub. Goes out: the path of a Parquet file in a folder the caller owns.
Words of the Hub (repository, sibling, etag) stop here.
"""

import hashlib
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoSibling

from pipeline import languages
from pipeline.adapters.hub_calls import ANSWER_TIMEOUT_S, is_of_the_disk, patiently, status_of
from pipeline.errors import SourceError

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

OFFICIAL_ENDPOINT = "https://huggingface.co"
INSTEAD = "You can start with the demonstration sample, or with a Parquet, CSV or JSONL file of your own."


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A file of a dataset on the Hub: the only Parquet file whose path begins with `prefix`, at `revision`.

    `sha256` is checked where the official endpoint serves the file; a mirror's file must have the hash the mirror lists.
    """

    dataset: str
    revision: str
    prefix: str
    sha256: str
    endpoint: str = OFFICIAL_ENDPOINT


def aya() -> Published:
    """Return the train split of Aya at the pinned revision."""
    facts = languages.totals()
    return Published(dataset=facts.dataset, revision=facts.revision, prefix="data/train-", sha256=facts.file_sha256)


def download(wanted: Published, *, folder: Path, endpoint: str, token: str, progress: Progress | None) -> Path:
    """Download the file into `folder` and return its path; `progress` is called with bytes done and in all.

    A cut connection goes on where it stopped; a server in trouble is asked three times.

    Raises:
        SourceError: The Hub cannot be reached, refuses, does not have the file, or sent another one.
    """
    api = HfApi(endpoint=endpoint, token=token or False)
    found = patiently(lambda: _find(api, wanted), refuse=lambda error: _refuse(error, endpoint))
    _check_space(found.size or 0, folder)
    path = patiently(
        lambda: hf_hub_download(
            wanted.dataset,
            found.rfilename,
            repo_type="dataset",
            revision=wanted.revision,
            endpoint=endpoint,
            token=token or False,
            local_dir=folder,
            etag_timeout=ANSWER_TIMEOUT_S,
            tqdm_class=_bar(progress),
        ),
        refuse=lambda error: _refuse(error, endpoint),
    )
    listed = found.lfs.sha256 if found.lfs else ""
    _check_hash(Path(path), wanted.sha256 if endpoint == wanted.endpoint else listed)
    log.info("downloaded %s at revision %s, %d bytes", wanted.dataset, wanted.revision, Path(path).stat().st_size)
    return Path(path)


def _find(api: HfApi, wanted: Published) -> RepoSibling:
    info = api.dataset_info(wanted.dataset, revision=wanted.revision, files_metadata=True, timeout=ANSWER_TIMEOUT_S)
    files = [
        file for file in info.siblings or [] if file.rfilename.startswith(wanted.prefix) and file.rfilename.endswith(".parquet")
    ]
    if len(files) != 1:
        raise SourceError(
            f"The Hub lists {len(files)} files {wanted.prefix}*.parquet for {wanted.dataset} where one was expected.",
            hint=f"This version of the studio knows revision {wanted.revision[:12]} only. {INSTEAD}",
        )
    return files[0]


def _refuse(error: Exception, endpoint: str) -> NoReturn:
    """Translate an error of the Hub's client into ours."""
    status = status_of(error)
    if is_of_the_disk(error) and isinstance(error, OSError):
        what, hint = (
            f"The download cannot be written: {error.strerror}.",
            "Free some space in the workspace's disk (about 500 MB), then try again.",
        )
    elif isinstance(error, GatedRepoError) or status in (401, 403):
        what = "The Hub refused the download."
        hint = f"Check the access token in HF_TOKEN, or remove it: this dataset needs none. {INSTEAD}"
    elif isinstance(error, RepositoryNotFoundError | RevisionNotFoundError) or status == 404:
        what = f"{endpoint} does not have this dataset at the pinned revision."
        hint = f"Check HF_ENDPOINT if you set it. {INSTEAD}"
    elif isinstance(error, OfflineModeIsEnabled):
        what, hint = "Downloads are switched off here (HF_HUB_OFFLINE is set).", f"Unset HF_HUB_OFFLINE. {INSTEAD}"
    elif status:
        what, hint = f"{endpoint} is in trouble (it answered {status}).", f"Try again in some minutes. {INSTEAD}"
    else:
        what, hint = f"{endpoint} cannot be reached.", f"Check the network connection, then try again. {INSTEAD}"
    raise SourceError(what, hint=hint) from error


def _check_space(size: int, folder: Path) -> None:
    # The download, the sorted copy, and room for sorting.
    needed, free = 3 * size, shutil.disk_usage(folder).free
    if free < needed:
        raise SourceError(
            f"The download needs {needed / 1e6:,.0f} MB of free disk space while it is prepared; there are {free / 1e6:,.0f} MB.",
            hint="Free some space, or choose a workspace on another disk with --workspace or STUDIO_WORKSPACE.",
        )


def _check_hash(path: Path, expected: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{64}", expected):
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        path.unlink()
        raise SourceError(
            "The downloaded file is not the published one: its SHA-256 is different.",
            hint=f"Nothing of it was kept. Try again; if it happens twice, another server answers in the Hub's place. {INSTEAD}",
        )


def _bar(progress: Progress | None) -> type:
    """Return a class with the methods the Hub's client calls on a progress bar; it draws nothing and reports bytes."""

    class Bar:
        def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
            self.total, self.n = int(total or 0), int(initial)

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
            return None

        def update(self, n: float = 1) -> None:
            self.n += int(n)
            if progress is not None:
                progress(self.n, max(self.total, self.n))

        def close(self) -> None:
            """Nothing to close."""

        def quiet(self, *_: object, **__: object) -> None:
            """Ignore what only a drawn bar needs."""

        update_transfer = set_transfer_postfix_str = set_postfix_str = refresh = quiet

    return Bar
