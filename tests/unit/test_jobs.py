"""Jobs: real processes, real signals, a real store."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from pipeline import jobs
from pipeline.adapters.store import Store
from pipeline.errors import GenerationError, JobError
from pipeline.records import Job, JobState

WORKER = """
import sys, time
from pipeline import jobs
from pipeline.adapters.store import open_store
store = open_store(sys.argv[1])
with jobs.recording(store, project="p", kind="generate", command=["generate", "p", "--model", "m"]) as job:
    print("ready", flush=True)
    for done in range(int(sys.argv[2])):
        job.progress(done=done, total=int(sys.argv[2]), failed={"empty": 1}, cost_usd=0.5)
        if job.should_stop():
            break
        time.sleep(0.05)
sys.exit(130 if job.was_interrupted else 0)
"""


@pytest.fixture
def worker(store: Store) -> Iterator[Callable[[int], "subprocess.Popen[str]"]]:
    """Start a process that records itself as a job for so many steps."""
    started: list[subprocess.Popen[str]] = []

    def run(steps: int) -> "subprocess.Popen[str]":
        environment = os.environ | {"PYTHONPATH": str(jobs.ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, store.url, str(steps)], env=environment, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.05)


def old(job: Job, seconds: float, store: Store) -> None:
    """Let the last heartbeat be so many seconds ago."""
    then = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="microseconds")
    store.update_job(job.id, heartbeat_at=then)


def test_a_job_tells_its_progress_and_how_it_ended(store: Store, worker: Callable[[int], "subprocess.Popen[str]"]) -> None:
    process = worker(30)
    job = store.jobs("p")[0]
    assert (job.state, job.pid) == (JobState.RUNNING, process.pid)
    wait_for(lambda: store.jobs("p")[0].done > 0)
    assert process.wait(15) == 0
    job = store.jobs("p")[0]
    assert (job.state, job.done, job.total, job.failed, job.cost_usd) == (JobState.DONE, 29, 30, {"empty": 1}, 0.5)
    assert job.ended_at


def test_a_stop_is_heard_and_the_work_ends_in_good_order(store: Store, worker: Callable[[int], "subprocess.Popen[str]"]) -> None:
    process = worker(10_000)
    jobs.stop(store, store.jobs("p")[0])
    assert process.wait(15) == 0
    assert store.jobs("p")[0].state is JobState.STOPPED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_work_in_good_order_with_exit_code_130(
    store: Store, worker: Callable[[int], "subprocess.Popen[str]"], number: signal.Signals
) -> None:
    process = worker(10_000)
    process.send_signal(number)
    assert process.wait(15) == 130
    assert store.jobs("p")[0].state is JobState.STOPPED


def test_a_killed_worker_is_recognised_and_offered_for_resume(
    store: Store, worker: Callable[[int], "subprocess.Popen[str]"]
) -> None:
    process = worker(10_000)
    job = store.jobs("p")[0]
    process.kill()
    process.wait()
    old(job, jobs.FRESH_S + 1, store)
    job = jobs.refresh(store, job)
    assert (job.state, job.message) == (JobState.FAILED, jobs.DIED)
    assert "Resume" in job.message


def test_a_killed_worker_counts_as_dead_even_while_nobody_has_collected_it(
    store: Store, worker: Callable[[int], "subprocess.Popen[str]"]
) -> None:
    process = worker(10_000)
    job = store.jobs("p")[0]
    process.kill()
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    old(job, jobs.FRESH_S + 1, store)
    assert jobs.refresh(store, job).state is JobState.FAILED


def test_a_number_given_to_another_process_is_no_sign_of_life(store: Store) -> None:
    job = Job(id="j", project="p", kind="generate", command=("generate", "p"), pid=os.getpid(), pid_started=1.0)
    store.save_job(job)
    old(job, jobs.FRESH_S + 1, store)
    assert jobs.refresh(store, job).state is JobState.FAILED


def test_a_worker_that_is_alive_but_slow_to_say_so_is_left_alone(store: Store) -> None:
    me = psutil.Process()
    job = Job(id="j", project="p", kind="generate", command=("generate", "p"), pid=me.pid, pid_started=me.create_time())
    store.save_job(job)
    old(job, jobs.FRESH_S + 1, store)
    assert jobs.refresh(store, job).state is JobState.RUNNING
    old(job, jobs.SILENT_S + 1, store)
    assert jobs.refresh(store, job).state is JobState.FAILED


def test_a_worker_given_up_for_dead_while_the_machine_slept_comes_back(
    store: Store, worker: Callable[[int], "subprocess.Popen[str]"]
) -> None:
    worker(10_000)
    job = store.jobs("p")[0]
    store.update_job(job.id, state=str(JobState.FAILED), message=jobs.DIED)
    wait_for(lambda: store.jobs("p")[0].state is JobState.RUNNING)
    assert store.jobs("p")[0].message == ""


def test_the_same_work_is_not_started_twice(store: Store, workspace: Path) -> None:
    me = psutil.Process()
    command = ("generate", "p", "--model", "m")
    store.save_job(Job(id="j", project="p", kind="generate", command=command, pid=me.pid, pid_started=me.create_time()))
    with pytest.raises(JobError, match="under way for p"):
        jobs.start(store, workspace=workspace, project="p", kind="generate", arguments=command)
    with pytest.raises(JobError, match="under way"), jobs.recording(store, project="p", kind="generate", command=command):
        pass
    assert [job.id for job in store.jobs("p")] == ["j"]
    with jobs.recording(store, project="p", kind="generate", command=("generate", "p", "--model", "another")):
        assert len(store.jobs("p")) == 2


def test_of_many_who_start_the_same_work_at_once_one_wins(store: Store) -> None:
    ready, end = threading.Barrier(8), threading.Event()
    won: list[str] = []
    refused: list[str] = []

    def begin() -> None:
        ready.wait()
        try:
            with jobs.recording(store, project="p", kind="generate", command=("generate", "p", "--model", "m")) as job:
                won.append(job.job_id)
                end.wait(20)
        except JobError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(won) + len(refused) == 8)
    end.set()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 7)
    assert [job.id for job in store.jobs("p")] == won


def test_a_resumed_job_asks_for_what_is_left_of_its_limit() -> None:
    command = ("generate", "--model=m", "--limit=5", "--", "p")
    job = Job(id="j", project="p", kind="generate", command=command, done=4, total=5, failed={"empty": 1})
    assert jobs.answered(job) == 3
    assert jobs.resume_arguments(job) == ["generate", "--model=m", "--limit=2", "--", "p"]
    assert jobs.resume_arguments(replace(job, done=5, failed={})) == []
    assert jobs.resume_arguments(replace(job, command=command[:2])) == ["generate", "--model=m"]


def test_a_started_job_runs_the_command_line_in_its_own_group_and_leaves_its_output(store: Store, workspace: Path) -> None:
    job = jobs.start(store, workspace=workspace, project="p", kind="generate", arguments=["--help"])
    assert job.pid > 0
    wait_for(
        lambda: (
            "PROJECT" in jobs.log_tail(workspace, job.id, lines=100) or "COMMAND" in jobs.log_tail(workspace, job.id, lines=100)
        )
    )
    wait_for(lambda: not psutil.pid_exists(job.pid))
    old(job, jobs.FRESH_S + 1, store)
    assert jobs.refresh(store, job).state is JobState.FAILED


def test_a_job_that_does_not_listen_is_ended_after_the_grace_period(store: Store) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = psutil.Process(process.pid).create_time()
        store.save_job(Job(id="j", project="p", kind="generate", command=("generate",), pid=process.pid, pid_started=started))
        threading.Thread(target=process.wait, daemon=True).start()
        job = jobs.stop(store, store.jobs("p")[0], grace_s=0.3)
        assert (job.state, job.stop_requested) == (JobState.STOPPED, True)
    assert process.returncode == -signal.SIGKILL


def test_an_error_of_ours_becomes_the_message_of_the_job(store: Store) -> None:
    with pytest.raises(GenerationError), jobs.recording(store, project="p", kind="generate", command=("generate",)):
        raise GenerationError("The budget is not known.", hint="Give a budget.")
    job = store.jobs("p")[0]
    assert (job.state, job.message) == (JobState.FAILED, "The budget is not known. Give a budget.")


def test_signals_are_given_back_after_a_job(store: Store) -> None:
    before = signal.getsignal(signal.SIGINT)
    with jobs.recording(store, project="p", kind="generate", command=("generate",)) as job:
        job.message = "The budget is used up."
    assert signal.getsignal(signal.SIGINT) is before
    assert store.jobs("p")[0].message == "The budget is used up."
