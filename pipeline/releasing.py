"""Releasing: an export whose training is tried first takes minutes, so a page starts it as a job and follows it.

What a visitor chose comes in, and goes out as the command that a person would type; the job tells how far it is. Of the upload
alone a copy is kept in the workspace, for the command reads a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pipeline import export, release
from pipeline.contents import Contents, ReleaseOptions
from pipeline.export import ExportResult
from pipeline.jobs import JobRecorder

KIND = "export"
UPLOADS = "uploads"


def command_of(
    workspace: Path, name: str, formats: Sequence[str], options: ReleaseOptions, evaluation_file: bytes = b""
) -> list[str]:
    """Return the arguments of the command that tries the training and writes the release.

    Raises:
        ExportError: The disk refuses the evaluation file.
    """
    chosen = [f"--format={kind}" for kind in formats]
    chosen += [f"--layout={options.layout}", f"--held-out={options.held_out}", "--try-training"]
    chosen += ["--system-prompt"] * options.with_system + ["--jsonl"] * options.jsonl
    if options.evaluation_name:
        chosen.append(f"--leave-out={_keep(workspace, options.evaluation_name, evaluation_file)}")
    return [KIND, *chosen, "--", name]


def _keep(workspace: Path, name: str, data: bytes) -> Path:
    """Keep an upload under its own name, which the release tells."""
    path = workspace / UPLOADS / hashlib.sha256(data).hexdigest()[:16] / Path(name).name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise release.explain(error, path.parent) from error
    return path


def try_training(contents: Contents, job: JobRecorder | None) -> dict[str, object]:
    """Try the training, telling the job how far it is; the writing that follows is one step more.

    Raises:
        ExportError: As `export.try_training`.
        KeyboardInterrupt: Somebody stopped the job.
    """
    if job is None:
        return export.try_training(contents)

    def tell(done: int, total: int) -> None:
        job.report(done, total + 1)

    tried = export.try_training(contents, progress=tell, should_stop=job.should_stop)
    trainers = tried["trainers"]
    n_tried = len(trainers) if isinstance(trainers, dict) else 0
    tell(n_tried, n_tried)
    if job.should_stop():
        raise KeyboardInterrupt
    return tried


def tell_end(job: JobRecorder, written: ExportResult) -> None:
    """Tell the job that all is done, and what came of it: somebody may have asked it to stop too late."""
    job.report(1, 1)
    job.message = in_words(written)


def in_words(written: ExportResult) -> str:
    """Return what came of an export, in a sentence."""
    if written.created:
        return f"Written: v{written.version}, {written.name}. Download it below, publish it, or train on it where it is."
    return f"Nothing has changed since v{written.version} was written, so it stands as it is. Download it below."
