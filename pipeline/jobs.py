"""Jobs: long work in a process of its own. Start it, follow it, stop it, and tell when it died.

The page starts the very command a person would type; the command records itself as a job while it runs (`recording`).
A job row carries process id, heartbeat, progress and cost, never a key. Nothing of a page's process is needed for the
work to go on: a refresh, a second tab or a closed browser finds the job again in the store.
"""

import contextlib
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import psutil

from pipeline.commands import values_of
from pipeline.errors import BackendError, JobError, PipelineError
from pipeline.ports import JobStore
from pipeline.records import Job, JobState, utc_now

log = logging.getLogger(__name__)

JOB_ID = "STUDIO_JOB_ID"
ROOT = Path(__file__).resolve().parent.parent

HEARTBEAT_S = 1.0
FRESH_S = 5.0
"""A heartbeat this young is proof of life, wherever the worker runs."""

SILENT_S = 30.0
"""After so long without a heartbeat a worker counts as dead."""

DIED = "The worker stopped unexpectedly; nothing saved was lost. Press Resume."


def start(store: JobStore, *, workspace: Path, project: str, kind: str, arguments: Sequence[str]) -> Job:
    """Start `python -m pipeline ARGUMENTS` as a process that outlives this one, and return its job.

    What it prints goes to `logs/JOB.log` in the workspace.

    Raises:
        JobError: The same work is under way already, or the process cannot be started.
    """
    job = Job(id=secrets.token_hex(8), project=project, kind=kind, command=tuple(arguments))
    _save(store, job)
    try:
        process = _spawn([sys.executable, "-m", "pipeline", *arguments], job.id, workspace)
    except OSError as error:
        message = f"The worker could not be started: {error}."
        store.update_job(job.id, state=str(JobState.FAILED), message=message, ended_at=utc_now())
        raise JobError(message, hint="Check the disk and start again.") from error
    # Collected when it ends, or it stays in the list of processes as if it were alive.
    threading.Thread(target=process.wait, daemon=True).start()
    with contextlib.suppress(psutil.NoSuchProcess):
        store.update_job(job.id, pid=process.pid, pid_started=psutil.Process(process.pid).create_time())
    return find(store, job.id)


def _spawn(command: list[str], job_id: str, workspace: Path) -> "subprocess.Popen[bytes]":
    """Start a process in its own group, with its output in the job's log."""
    path = log_path(workspace, job_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {JOB_ID: job_id, "STUDIO_WORKSPACE": str(workspace), "PYTHONUNBUFFERED": "1"}
    is_windows = sys.platform == "win32"
    with path.open("wb") as output:
        return subprocess.Popen(  # noqa: S603  # our own interpreter, arguments in a list, no shell
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=not is_windows,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) if is_windows else 0,
        )


def log_path(workspace: Path, job_id: str) -> Path:
    """Return where a job's output is written."""
    return workspace / "logs" / f"{job_id}.log"


def log_tail(workspace: Path, job_id: str, *, lines: int = 20) -> str:
    """Return the last lines a job printed, empty when it printed nothing."""
    try:
        text = log_path(workspace, job_id).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _save(store: JobStore, job: Job) -> None:
    """Store a new job, unless its work is under way already."""
    _refuse_twin(store, job)
    # Another may have started the same since: the store looks again in the transaction that stores.
    twin = store.save_job(job, unless=lambda other: _is_same_work(other, job))
    if twin:
        raise _under_way(twin)


def _refuse_twin(store: JobStore, job: Job) -> None:
    """Refuse work that another running job does: the same kind, project and model. What died is marked on the way."""
    for other in store.jobs(job.project):
        if other.id != job.id and _is_same_work(other, job) and refresh(store, other).state is JobState.RUNNING:
            raise _under_way(other)


def _under_way(twin: Job) -> JobError:
    return JobError(
        f"The same work is under way for {twin.project} since {twin.started_at[:16].replace('T', ' ')} UTC.",
        hint="Wait until it has ended, or stop it first; two runs at once would do the same work, and may pay for it, twice.",
    )


def _is_same_work(one: Job, other: Job) -> bool:
    return one.kind == other.kind and option(one, "--model") == option(other, "--model")


def option(job: Job, name: str) -> str:
    """Return the value of an option in the job's command, empty where it is not given."""
    return next(iter(options(job, name)), "")


def options(job: Job, name: str) -> list[str]:
    """Return all values of an option in the job's command, in order."""
    return values_of(job.command, name)


def resume_arguments(job: Job) -> list[str]:
    """Return the command that asks for what a job left; empty when it brought all the answers its limit asked for."""
    limit = option(job, "--limit")
    if not limit:
        return list(job.command)
    # A judge is given pairs, and brings two verdicts on each.
    left = int(limit) - answered(job) // (2 if job.kind == "judge" else 1)
    return [f"--limit={left}" if word.startswith("--limit=") else word for word in job.command] if left > 0 else []


def answered(job: Job) -> int:
    """Return how many answers a job brought."""
    return job.done - sum(job.failed.values())


def find(store: JobStore, job_id: str) -> Job:
    """Return one job as the store has it now.

    Raises:
        JobError: There is no such job.
    """
    for job in store.jobs():
        if job.id == job_id:
            return job
    raise JobError("That job is not in this workspace.", hint="Reload the page to see the jobs there are.")


def refresh(store: JobStore, job: Job) -> Job:
    """Return the job as it stands now; one whose worker died is marked failed, with what to do."""
    job = find(store, job.id)
    if job.state is not JobState.RUNNING or not _is_dead(job):
        return job
    store.update_job(job.id, state=str(JobState.FAILED), message=DIED, ended_at=utc_now())
    return find(store, job.id)


def _is_dead(job: Job) -> bool:
    """Say whether a job's worker is gone: no heartbeat for long, or none just now and no such process."""
    silent_s = (datetime.now(UTC) - datetime.fromisoformat(job.heartbeat_at)).total_seconds()
    if silent_s > SILENT_S:
        return True
    return silent_s > FRESH_S and job.pid != 0 and _process(job) is None


def _process(job: Job) -> psutil.Process | None:
    """The job's worker, None when it is gone or its number was given to another process."""
    try:
        process = psutil.Process(job.pid)
        is_same = abs(process.create_time() - job.pid_started) < 1.0
        return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a job goes: share done (0-1), items a minute, seconds left for all; None where it cannot be told yet."""

    done_share: float
    per_minute: float | None
    seconds_left: float | None


def pace(job: Job, *, now: datetime) -> Pace:
    """Return how fast a job has gone so far, its start included."""
    elapsed_s = (now - datetime.fromisoformat(job.started_at)).total_seconds()
    # A judge beside a run goes on at the same time: the slower of the two tells how far the whole is.
    both = [(done, total) for done, total in ((job.done, job.total), (job.verdicts, job.verdicts_wanted)) if total]
    is_told = elapsed_s > 0 and bool(both) and all(done for done, _ in both)
    return Pace(
        done_share=min([1.0, *(done / total for done, total in both)]) if both else 0.0,
        per_minute=60 * job.done / elapsed_s if job.done and elapsed_s > 0 else None,
        seconds_left=max(max(0, total - done) * elapsed_s / done for done, total in both) if is_told else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PerThousand:
    """What 1,000 answers of a run took: seconds, and US dollars where a price was known."""

    seconds: float
    cost_usd: float | None


ENOUGH_TO_TELL = 100
"""Below so many answers the start of the worker would be most of the time."""


def per_thousand(job: Job) -> PerThousand | None:
    """Return what 1,000 answers of an ended job took, None where it has not ended or brought too few to tell."""
    brought = answered(job)
    if not job.ended_at or brought < ENOUGH_TO_TELL:
        return None
    seconds = (datetime.fromisoformat(job.ended_at) - datetime.fromisoformat(job.started_at)).total_seconds()
    share = 1000 / brought
    return PerThousand(seconds=share * seconds, cost_usd=None if job.cost_usd is None else share * job.cost_usd)


def stop(store: JobStore, job: Job, *, grace_s: float | None = None) -> Job:
    """Ask a job to stop: it takes no new work and saves what is under way.

    With `grace_s`, wait so long for that and then end its processes.
    """
    store.update_job(job.id, stop_requested=True)
    if grace_s is None:
        return find(store, job.id)
    ends_at = time.monotonic() + grace_s
    while find(store, job.id).state is JobState.RUNNING and _process(job) and time.monotonic() < ends_at:
        time.sleep(0.1)
    if find(store, job.id).state is JobState.RUNNING:
        _end_processes(job)
        store.update_job(job.id, state=str(JobState.STOPPED), message="Stopped at once.", ended_at=utc_now())
    return find(store, job.id)


def _end_processes(job: Job) -> None:
    """End the worker and whatever it started."""
    worker = _process(job)
    if worker is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*worker.children(recursive=True), worker]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(family, timeout=3)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


class JobRecorder:
    """What a worker says of itself while it runs; a thread writes it down once a second.

    `message` is what a reader of the ended job should know, such as that the budget was used up.
    """

    def __init__(self, store: JobStore, job: Job) -> None:
        self.job_id = job.id
        self.was_interrupted = False
        self.message = ""
        self._store, self._job = store, job
        self._values: dict[str, object] = {}
        self._stop, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def progress(
        self,
        *,
        done: int,
        total: int,
        failed: Mapping[str, int] | None = None,
        set_aside: Mapping[str, int] | None = None,
        verdicts: tuple[int, int] = (0, 0),
        cost_usd: float | None = None,
        waiting: str = "",
    ) -> None:
        """Note how far the work is (`verdicts` given and wanted, of a judge beside it), and why nothing comes of it just now."""
        counts = {"done": done, "total": total, "verdicts": verdicts[0], "verdicts_wanted": verdicts[1]}
        reasons = {"failed": dict(failed or {}), "set_aside": dict(set_aside or {})}
        self._values = {**counts, **reasons, "cost_usd": cost_usd, "message": waiting}

    def report(self, done: int, total: int) -> None:
        """Note how far the work is, where nothing of it fails or costs."""
        self.progress(done=done, total=total)

    def should_stop(self) -> bool:
        """Say whether the work should take nothing new: asked for by a page, or by a signal."""
        return self._stop.is_set()

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal: stop in good order at the first, at once at the second."""
        if self.was_interrupted:
            raise KeyboardInterrupt
        self.was_interrupted = True
        self._stop.set()

    def begin(self) -> None:
        """Start the heartbeat."""
        self._thread.start()

    def end(self, state: JobState, message: str) -> None:
        """Write down the last progress and how it ended."""
        self._ended.set()
        self._thread.join()
        now = utc_now()
        ended = {"state": str(state), "message": message, "heartbeat_at": now, "ended_at": now}
        try:
            self._store.update_job(self.job_id, **self._values | ended)
        except BackendError as error:
            # A full disk must not hide what the work itself has to say; the silent heartbeat shows the end.
            log.warning("end of job not written: %s", error.message)

    def _beat(self) -> None:
        """Say once a second that the worker lives, and listen whether it should stop."""
        while not self._ended.wait(HEARTBEAT_S):
            try:
                self._listen(find(self._store, self.job_id))
                self._store.update_job(self.job_id, **self._values, heartbeat_at=utc_now())
            except (BackendError, JobError) as error:
                # The next beat may get through; the work itself reports what stays broken.
                log.warning("heartbeat not written: %s", error.message)

    def _listen(self, job: Job) -> None:
        """Stop when asked to; come back to life after a sleep in which this job was given up for dead."""
        if job.stop_requested:
            self._stop.set()
        elif job.state is JobState.FAILED:
            twins = (other for other in self._store.jobs(job.project) if other.id != job.id and _is_same_work(other, job))
            if any(other.state is JobState.RUNNING for other in twins):
                self._stop.set()
            else:
                self._store.update_job(self.job_id, state=str(JobState.RUNNING), message="", ended_at="")


@contextlib.contextmanager
def recording(store: JobStore, *, project: str, kind: str, command: Sequence[str]) -> Iterator[JobRecorder]:
    """Record the block as a job: the one that `start` made, or a new one when a person typed the command.

    Raises:
        JobError: The same work is under way already.
    """
    recorder = JobRecorder(store, _register(store, project=project, kind=kind, command=command))
    with _signals(recorder):
        recorder.begin()
        try:
            yield recorder
        except PipelineError as error:
            recorder.end(JobState.FAILED, f"{error.message} {error.hint}")
            raise
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt)
            recorder.end(JobState.STOPPED if stopped else JobState.FAILED, "Stopped." if stopped else DIED)
            raise
        recorder.end(JobState.STOPPED if recorder.should_stop() else JobState.DONE, recorder.message)


def _register(store: JobStore, *, project: str, kind: str, command: Sequence[str]) -> Job:
    """Write this process down as the worker of its job."""
    me = psutil.Process()
    mine = {"pid": me.pid, "pid_started": me.create_time(), "heartbeat_at": utc_now()}
    given = os.environ.get(JOB_ID, "")
    known = next((job for job in store.jobs(project) if job.id == given), None)
    if known is not None:
        _refuse_twin(store, known)
        store.update_job(known.id, **mine, state=str(JobState.RUNNING))
        return known
    job = Job(
        id=secrets.token_hex(8), project=project, kind=kind, command=tuple(command), pid=me.pid, pid_started=me.create_time()
    )
    _save(store, job)
    return job


@contextlib.contextmanager
def _signals(recorder: JobRecorder) -> Iterator[None]:
    """Let Ctrl-C and a request to terminate stop the work in good order; only the main thread may listen."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {
        number: signal.signal(number, recorder.interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
