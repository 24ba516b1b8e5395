"""Transfers: pairs on their way to Argilla and votes on their way home, followed while they go and told about afterwards.

Each is a process of its own; what is shown is read from its job, so any tab finds it again.
"""

import streamlit as st

from dashboard import services, widgets
from pipeline import jobs
from pipeline.records import Job, JobState

KINDS = {"push": "Sending pairs", "pull": "Bringing votes home"}
POLL_S = 1.0


def latest(project: str) -> list[Job]:
    """Return the newest transfer of each kind as it stands now, newest first."""
    store = services.studio().store
    newest: dict[str, Job] = {}
    for job in store.jobs(project):
        if job.kind in KINDS:
            newest.setdefault(job.kind, job)
    return [jobs.refresh(store, job) for job in newest.values()]


def show(project: str) -> bool:
    """Show the transfers under way, looking again every second until one ends, else how the last ended; say whether one runs."""
    every = latest(project)
    running = [job.id for job in every if job.state is JobState.RUNNING]
    if running:
        st.fragment(_watch, run_every=POLL_S)(running)
    elif every:
        _show_end(every[0])
    return bool(running)


def _watch(job_ids: list[str]) -> None:
    store = services.studio().store
    for job in [jobs.refresh(store, jobs.find(store, job_id)) for job_id in job_ids]:
        if job.state is not JobState.RUNNING:
            st.rerun()
        share = min(1.0, job.done / job.total) if job.total else 0.0
        st.progress(share, text=f"{KINDS[job.kind]}: {job.done:,} of {job.total:,}" if job.total else f"{KINDS[job.kind]} …")


def _show_end(job: Job) -> None:
    """What a transfer brought, or why it did not; it may be started again at any time."""
    if job.state is JobState.DONE:
        st.success(widgets.plain(f"{KINDS[job.kind]} is done, {job.ended_at[:16].replace('T', ' ')} UTC. {job.message}"))
        return
    st.error(widgets.plain(f"{KINDS[job.kind]} stopped. {job.message} Start it again: what is done already is not done twice."))
    widgets.worker_output(job)


def start(kind: str, project: str, *, suggest: bool = False) -> None:
    """Start a transfer and look at the page anew.

    Raises:
        JobError: The same is under way already, or the process cannot be started.
    """
    services.studio().start_voting_job(kind, project, suggest=suggest)
    st.rerun()
