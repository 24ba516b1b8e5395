"""Runs: the blocks of the Generate page that follow work: what is under way, side by side, and how the last runs ended.

Each run is a process of its own; what is shown is read from its job, so any tab finds it again.
"""

from datetime import UTC, datetime

import streamlit as st

from dashboard import model_tables, services, tables, widgets
from pipeline import jobs
from pipeline.errors import PipelineError
from pipeline.ports import failure
from pipeline.records import Job, JobState, Project
from pipeline.screens import EXPLAINED

KINDS = {"generate": "is writing", "judge": "is judging"}
POLL_S = 1.0
LAST_SHOWN = 3
ENOUGH_TO_WARN = 20
SIDE_BY_SIDE = 2


def latest_jobs(project: Project) -> list[Job]:
    """Return the newest job of each kind and model as it stands now, newest first."""
    store = services.studio().store
    newest: dict[tuple[str, str, str], Job] = {}
    for job in store.jobs(project.name):
        if job.kind in KINDS:
            newest.setdefault((job.kind, jobs.option(job, "--model"), jobs.option(job, "--style")), job)
    return [jobs.refresh(store, job) for job in newest.values()]


def watch(running: list[Job]) -> None:
    """Show the runs under way side by side, looking again every second until one ends."""
    st.fragment(_watch, run_every=POLL_S)([job.id for job in running])


def _watch(job_ids: list[str]) -> None:
    store = services.studio().store
    running = [jobs.refresh(store, jobs.find(store, job_id)) for job_id in job_ids]
    if any(job.state is not JobState.RUNNING for job in running):
        st.rerun()
    for start in range(0, len(running), SIDE_BY_SIDE):
        row = running[start : start + SIDE_BY_SIDE]
        for column, job in zip(st.columns(len(row)), row, strict=True):
            with column, st.container(border=True):
                _show_run(job)


def _show_run(job: Job) -> None:
    model = jobs.option(job, "--model")
    st.subheader(f"{widgets.plain(model)} {KINDS[job.kind]}", anchor=False)
    _show_progress(job)
    _offer_stop(job)
    if job.kind == "generate":
        for response in services.studio().store.last_responses(job.project, model, count=LAST_SHOWN):
            widgets.text_card("One of the newest answers", response.text)


def _show_progress(job: Job) -> None:
    """How far a run is, how fast, and what it has cost."""
    pace = jobs.pace(job, now=datetime.now(UTC))
    what = "prompts" if job.kind == "generate" else "verdicts"
    counts = [f"{job.done:,} of {job.total:,} {what}"] if job.total else []
    if job.verdicts_wanted:
        counts.append(
            f"{job.verdicts:,} of {job.verdicts_wanted:,} verdicts of {widgets.plain(jobs.option(job, '--judge-model'))}"
        )
    starting = "Starting: loading the program takes a few seconds …"
    st.progress(pace.done_share, text=", ".join(counts) or starting)
    if job.message:
        st.warning(widgets.plain(job.message))
    # Before the first answer nothing is known, not even whether there is a price.
    spent = "–" if not counts else "no price given" if job.cost_usd is None else tables.money(job.cost_usd)
    numbers = {
        # While nothing comes, the pace so far is none.
        "Answers a minute": "–" if pace.per_minute is None or job.message else f"{pace.per_minute:,.0f}",
        "Time left": "–" if pace.seconds_left is None or job.message else model_tables.duration(pace.seconds_left),
        "Spent": spent,
        "Failed": f"{sum(job.failed.values()):,}",
    }
    with st.container(horizontal=True):
        for label, value in numbers.items():
            st.metric(label, value, width="content")
    if job.failed:
        reasons = ", ".join(f"{failure(reason)}: {count}" for reason, count in job.failed.items())
        st.write(widgets.plain(f"Failed so far: {reasons}. The next run asks for these again."))
    _show_set_aside(job)


def _show_set_aside(job: Job) -> None:
    """What screens have set aside of a run's answers; in a loud voice where it is most of them."""
    count, answers = sum(job.set_aside.values()), jobs.answered(job)
    if not count:
        return
    reasons = ", ".join(f"{EXPLAINED.get(reason, reason)}: {n}" for reason, n in job.set_aside.items())
    said = f"{count:,} of {answers:,} answers are set aside and shown to nobody ({reasons})."
    if answers >= ENOUGH_TO_WARN and count > answers / 2:
        ask = "Pause, and look" if job.state is JobState.RUNNING else "Look"
        st.warning(widgets.plain(f"{said} {ask} at some answers and at what the model is told before you pay for more."))
    else:
        st.write(widgets.plain(said))


def _offer_stop(job: Job) -> None:
    store = services.studio().store
    if not job.stop_requested:
        with st.container(horizontal=True):
            if st.button("Pause", key=f"pause-{job.id}", help="Ends in good order; Resume goes on where it was."):
                jobs.stop(store, job)
                st.rerun(scope="fragment")
            if st.button("Stop at once", key=f"end-{job.id}", help="Lets go of the answers under way too."):
                jobs.stop(store, job, grace_s=0)
                st.rerun()
        return
    st.info("Pausing: waiting for the answers that are under way, for they may be paid for already.")
    if st.button("Stop at once", key=f"end-{job.id}"):
        jobs.stop(store, job, grace_s=0)
        st.rerun()


def show_end(project: Project, job: Job) -> None:
    """Say how a run ended and what it took; offer to go on, or to ask again for what failed."""
    model, verb = jobs.option(job, "--model"), "answered" if job.kind == "generate" else "judged"
    if job.state is JobState.DONE and not job.message and not job.failed:
        what = "every pair it was given" if job.kind == "judge" else f"{job.done:,} prompts"
        of = "every prompt of this project" if _is_complete(project, job, model) else what
        st.success(widgets.plain(f"{model} has {verb} {of}. {_verdicts(job)}{_took(job)}"))
        _show_set_aside(job)
        return
    why = job.message or {JobState.STOPPED: "The run was paused."}.get(job.state, "The run has ended.")
    failed, left = sum(job.failed.values()), max(0, job.total - job.done)
    # A run that ended before it had looked knows nothing of what is left.
    counts = f"{jobs.answered(job):,} answers came in, {failed:,} failed, {left:,} are left." if job.total else ""
    text = f"{model}: {why} {counts} {_verdicts(job)}{_took(job)}"
    (st.error if job.state is JobState.FAILED else st.warning)(widgets.plain(text))
    _show_set_aside(job)
    if jobs.resume_arguments(job):
        _offer_to_go_on(job, "Resume" if left or not failed else f"Ask again for the {failed:,} that failed")
    if job.state is JobState.FAILED:
        widgets.worker_output(job)


def _is_complete(project: Project, job: Job, model: str) -> bool:
    return job.kind == "generate" and not services.studio().store.prompts_without(project.name, model)


def _verdicts(job: Job) -> str:
    """What a judge beside the run has done, empty where there was none."""
    judge = jobs.option(job, "--judge-model")
    return f"{judge} gave {job.verdicts:,} of {job.verdicts_wanted:,} verdicts. " if job.verdicts_wanted else ""


def _took(job: Job) -> str:
    """Seconds and money per 1,000, where they can be told."""
    took = jobs.per_thousand(job)
    if took is None:
        return ""
    price = "" if took.cost_usd is None else f" and {tables.money(took.cost_usd)}"
    return f"For 1,000 it took {model_tables.duration(took.seconds)}{price}."


def _offer_to_go_on(job: Job, label: str) -> None:
    """The button that starts what a run left, with the budget it goes on under where it had one."""
    budget = jobs.option(job, "--budget")
    raised = None
    if budget:
        raised = st.number_input(
            "Budget for this project, US dollars",
            min_value=0.0,
            value=float(budget),
            format="%g",
            key=f"budget-{job.id}",
            help="What earlier runs of the project spent counts: raise it to go on.",
        )
    if not st.button(label, type="primary", key=f"resume-{job.id}"):
        return
    try:
        services.studio().resume(job, budget_usd=raised)
    except PipelineError as error:
        widgets.error_box(error)
        return
    st.rerun()
