"""Trying: a release whose training is tried before it is written, followed while it goes and told about afterwards.

It takes minutes, so it is a process of its own; what is shown is read from its job, so any tab finds it again.
"""

from collections.abc import Sequence

import streamlit as st

from dashboard import services, widgets
from dashboard.release_options import Chosen
from pipeline import jobs
from pipeline.records import Job, JobState, Project
from pipeline.releasing import KIND

POLL_S = 1.0


def start(project: Project, formats: Sequence[str], chosen: Chosen) -> None:
    """Start the work and look at the page anew.

    Raises:
        PipelineError: The same is under way already, or it cannot be started.
    """
    services.studio().start_export(project.name, formats, chosen.options, evaluation_file=chosen.evaluation_file)
    st.rerun()


def show(project: Project) -> bool:
    """Show the work under way, looking again every second until it ends, else how it ended; say whether it goes on.

    How it ended is told until the next release is written.
    """
    store = services.studio().store
    newest = next((job for job in store.jobs(project.name) if job.kind == KIND), None)
    if newest is None:
        return False
    job, releases = jobs.refresh(store, newest), store.releases(project.name)
    if job.state is JobState.RUNNING:
        st.fragment(_watch, run_every=POLL_S)(job.id)
        return True
    if not releases or job.ended_at >= releases[0].at:
        _show_end(job)
    return False


def _watch(job_id: str) -> None:
    store = services.studio().store
    job = jobs.refresh(store, jobs.find(store, job_id))
    if job.state is not JobState.RUNNING:
        st.rerun()
    recipes = job.total - 1
    text = "Starting …"
    if job.total:
        is_trying = job.done < recipes
        text = f"Trying recipe {job.done + 1} of {recipes}: five steps each" if is_trying else "Writing and checking the files"
    st.progress(job.done / job.total if job.total else 0.0, text=text)
    st.caption("This takes some minutes. You may leave the page: it goes on, and you find it here again.")
    if job.stop_requested:
        st.info("Stopping …")
    elif st.button("Stop", key=f"stop-{job.id}", help="Nothing is written then, and no release is touched."):
        jobs.stop(store, job)
        st.rerun()


def _show_end(job: Job) -> None:
    # Whoever pressed Stop too late has the release all the same.
    if job.state is not JobState.FAILED and 0 < job.total == job.done:
        st.success(widgets.plain(job.message))
        return
    if job.state is JobState.STOPPED:
        st.warning("Trying the training was stopped, and nothing was written.")
        return
    st.error(widgets.plain(job.message if job.message != jobs.DIED else "It stopped unexpectedly, and nothing was written."))
    widgets.worker_output(job)
