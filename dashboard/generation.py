"""Generation: the blocks of the Generate page: a run under way, the choice of a model, the price, answers from a file.

Keys are never typed, shown or stored here: a run is told the name of the environment variable that holds one.
"""

import os
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from dashboard import services, tables, widgets
from pipeline import estimates, generate, jobs, languages
from pipeline.adapters.endpoints import PRESETS
from pipeline.errors import EndpointError, PipelineError
from pipeline.records import DocumentKind, Endpoint, Job, JobState, Project
from pipeline.terms import check_terms

OTHER = "Another address"
POLL_S = 1.0
LAST_SHOWN = 3


def latest_job(project: Project) -> Job | None:
    """Return the project's newest generation as it stands now, None when there was none."""
    store = services.studio().store
    known = [job for job in store.jobs(project.name) if job.kind == "generate"]
    return jobs.refresh(store, known[0]) if known else None


def watch(job: Job) -> None:
    """Show a run under way, looking again every second until it ends."""
    st.fragment(_watch, run_every=POLL_S)(job.id)


def _watch(job_id: str) -> None:
    store = services.studio().store
    job = jobs.refresh(store, jobs.find(store, job_id))
    if job.state is not JobState.RUNNING:
        st.rerun()
    model = jobs.option(job, "--model")
    with st.container(border=True):
        st.subheader(f"{widgets.plain(model)} is writing", anchor=False)
        _show_progress(job)
        _offer_stop(job)
    _show_last_answers(job.project, model)


def _show_progress(job: Job) -> None:
    """How far a run is, how fast, and what it has cost."""
    pace = jobs.pace(job, now=datetime.now(UTC))
    st.progress(pace.done_share, text=f"{job.done:,} of {job.total:,} prompts" if job.total else "Starting …")
    numbers = {
        "Answers a minute": "–" if pace.per_minute is None else f"{pace.per_minute:,.0f}",
        "Time left": "–" if pace.seconds_left is None else duration(pace.seconds_left),
        "Spent": "no price given" if job.cost_usd is None else f"${job.cost_usd:,.2f}",
        "Failed": f"{sum(job.failed.values()):,}",
    }
    for column, (label, value) in zip(st.columns(len(numbers)), numbers.items(), strict=True):
        column.metric(label, value)
    if job.failed:
        reasons = ", ".join(f"{tables.FAILURES.get(reason, reason)}: {count}" for reason, count in job.failed.items())
        st.write(widgets.plain(f"Failed so far: {reasons}. The next run asks for these again."))


def _offer_stop(job: Job) -> None:
    store = services.studio().store
    if not job.stop_requested:
        if st.button("Stop", key=f"stop-{job.id}", help="What is written so far is kept, and a later run goes on from there."):
            jobs.stop(store, job)
            st.rerun(scope="fragment")
        return
    st.info("Stopping: waiting for the answers that are under way, for they may be paid for already.")
    if st.button("Stop at once", key=f"end-{job.id}"):
        jobs.stop(store, job, grace_s=0)
        st.rerun()


def _show_last_answers(project: str, model: str) -> None:
    for response in services.studio().store.last_responses(project, model, count=LAST_SHOWN):
        widgets.text_card("One of the newest answers", response.text)


def show_end(project: Project, job: Job) -> None:
    """Say how the last run ended; offer to go on where prompts are left."""
    model = jobs.option(job, "--model")
    left = len(services.studio().store.prompts_without(project.name, model))
    if left == 0:
        st.success(widgets.plain(f"{model} has answered every prompt of this project."))
        return
    why = job.message or {JobState.STOPPED: "The run was stopped."}.get(job.state, "The run has ended.")
    text = widgets.plain(f"{why} {job.total - left if job.total > left else 0:,} answers came in; {left:,} prompts are left.")
    (st.error if job.state is JobState.FAILED else st.warning)(text)
    if st.button("Resume", type="primary", key=f"resume-{job.id}"):
        _start_again(job)
    printed = jobs.log_tail(services.studio().settings.workspace, job.id)
    if job.state is JobState.FAILED and printed:
        with st.expander("What the worker printed last"):
            st.code(printed, language=None)


def _start_again(job: Job) -> None:
    opened = services.studio()
    try:
        jobs.start(opened.store, workspace=opened.settings.workspace, project=job.project, kind=job.kind, arguments=job.command)
    except PipelineError as error:
        widgets.error_box(error)
        return
    st.rerun()


def ask_for_endpoint() -> Endpoint | None:
    """Let the visitor choose server, model, and terms; None while something is missing, with what it is."""
    base_url, usual_key = _ask_for_server()
    if not base_url:
        return None
    api_key_env = _ask_for_key_variable(usual_key, base_url)
    if api_key_env is None:
        return None
    model = _ask_for_model(base_url, api_key_env)
    if not model:
        return None
    return _ask_for_terms(model, base_url, api_key_env)


def _ask_for_server() -> tuple[str, str]:
    """Address of the server, and the variable its key is usually kept in."""
    found = {f"{server.name}, running on this computer": (server.base_url, "") for server in services.local_servers()}
    known = {preset.name: (preset.base_url, preset.api_key_env) for preset in PRESETS}
    choices = found | known | {OTHER: ("", "")}
    if not found:
        st.info(
            "No model server was found on this computer. Start one (for example Ollama), choose a hosted service, "
            "or import answers that were made elsewhere."
        )
        _offer_to_look_again()
    chosen = st.selectbox(
        "Where does the model run?",
        list(choices),
        index=0 if found else None,
        placeholder="Choose a server or a service",
        key="generate-server",
    )
    if chosen is None:
        return "", ""
    address, usual_key = choices[chosen]
    typed = st.text_input("Address", value=address, key=f"generate-address-{chosen}", placeholder="http://localhost:8000/v1")
    return (typed or "").strip(), usual_key


def _offer_to_look_again() -> None:
    if st.button("Look again", key="generate-look-again"):
        services.local_servers.clear()
        st.rerun()


def _ask_for_key_variable(usual: str, base_url: str) -> str | None:
    """Name of the variable with the key, empty for none; None while what is typed cannot be used."""
    name = st.text_input(
        "Name of the environment variable that holds the key",
        value=usual,
        key=f"generate-key-{base_url}",
        placeholder="none needed",
        help="The name only, such as HF_TOKEN. A key itself is never typed into this page, stored, or logged.",
    )
    name = (name or "").strip()
    if not name:
        return ""
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", name):
        st.error("This is not the name of a variable. Give its name in capitals, such as HF\\_TOKEN, never the key itself.")
        return None
    if not os.environ.get(name):
        st.warning(f"The variable {widgets.plain(name)} is not set. Set it to your key, then start this program again.")
        return None
    return name


def _ask_for_model(base_url: str, api_key_env: str) -> str:
    """The model's id: from the server's list where it keeps one, else typed."""
    try:
        offered = services.models(base_url, api_key_env)
    except EndpointError as error:
        widgets.error_box(error)
        return ""
    if offered:
        return st.selectbox("Model", offered, key=f"generate-model-{base_url}", accept_new_options=True) or ""
    return (st.text_input("Model, as the server names it", key=f"generate-model-{base_url}") or "").strip()


def _ask_for_terms(model: str, base_url: str, api_key_env: str) -> Endpoint | None:
    """Prices, budget and pace; None while they make no sense."""
    with st.expander("Price, budget and pace", expanded=bool(api_key_env)):
        left, middle, right = st.columns(3)
        price_in = left.number_input("Price of a million tokens read, US dollars", min_value=0.0, value=None, format="%.3f")
        price_out = middle.number_input("Price of a million tokens written, US dollars", min_value=0.0, value=None, format="%.3f")
        budget = right.number_input(
            "Budget for this project, US dollars",
            min_value=0.0,
            value=None,
            help="The run ends before more than this is spent; what earlier runs of the project spent counts.",
        )
        concurrency = left.number_input("Requests at once", min_value=1, max_value=512, value=4 if not api_key_env else 16)
    endpoint = Endpoint(
        model=model,
        base_url=base_url,
        api_key_env=api_key_env,
        concurrency=int(concurrency),
        price_in=price_in,
        price_out=price_out,
        budget_usd=budget,
    )
    try:
        check_terms(endpoint)
    except PipelineError as error:
        widgets.error_box(error)
        return None
    return endpoint


def edit_system_prompt(project: Project) -> str:
    """Show what the model is told before each prompt, to be changed; return the text."""
    _, saved = services.studio().store.document(project.name, DocumentKind.SYSTEM_PROMPT)
    text = saved or languages.system_prompt(languages.find_language(project.language))
    return st.text_area(
        "What the model is told before each prompt",
        value=text,
        key=f"generate-system-{project.name}",
        height=120,
        help="Each answer remembers under which version of this text it was written.",
    )


def offer_start(project: Project, endpoint: Endpoint, system_prompt: str) -> None:
    """Show what a run will take, and the button that starts it."""
    opened = services.studio()
    missing = opened.store.prompts_without(project.name, endpoint.model)
    if not missing:
        st.success(widgets.plain(f"{endpoint.model} has answered every prompt of this project. Choose another model for more."))
        return
    limit = st.number_input(
        "Only so many prompts, for a trial (empty: all)", min_value=1, max_value=len(missing), value=None, key="generate-limit"
    )
    chosen = missing[: int(limit)] if limit else missing
    answers = services.responses(project.name)
    told = estimates.estimate_answers(chosen, system_prompt, endpoint, measured=answers[answers["source"] == endpoint.model])
    _show_estimate(told)
    if not st.button(f"Start: ask for {told.requests:,} answers", type="primary", key="generate-start"):
        return
    try:
        opened.store.save_document(project.name, DocumentKind.SYSTEM_PROMPT, system_prompt)
        opened.start("generate", project.name, endpoint, limit=int(limit) if limit else None)
    except PipelineError as error:
        widgets.error_box(error)
        return
    st.rerun()


def _show_estimate(told: estimates.Estimate) -> None:
    price = "no price given" if told.cost_usd is None else f"${told.cost_usd[0]:,.2f} to ${told.cost_usd[1]:,.2f}"
    numbers = {
        "Prompts without an answer": f"{told.requests:,}",
        "Tokens": f"{sum((told.tokens_in[0], told.tokens_out[0])):,} to {sum((told.tokens_in[1], told.tokens_out[1])):,}",
        "Price": price,
        "Time": f"{duration(told.seconds[0])} to {duration(told.seconds[1])}",
    }
    for column, (label, value) in zip(st.columns(len(numbers)), numbers.items(), strict=True):
        column.metric(label, value)
    st.caption("A rough estimate from the length of the texts; the run itself counts what the server reports.")


def duration(seconds: float) -> str:
    """Return a length of time in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def show_answers(project: Project) -> None:
    """Show what each model has answered so far, and what failed."""
    answers = generate.by_model(services.responses(project.name))
    if not answers.empty:
        st.subheader("Who has answered so far?", anchor=False)
        st.dataframe(tables.answers(answers), hide_index=True)
    store = services.studio().store
    failed = store.failures(project.name)
    if failed.empty:
        return
    st.subheader("Which requests failed?", anchor=False)
    st.write("The next run of the same model asks for these again.")
    prompts = store.prompts(project.name)
    texts = dict(zip(prompts["id"], prompts["text"], strict=True))
    st.dataframe(tables.failures(failed, texts), hide_index=True)


def import_answers(project: Project) -> None:
    """Take in a file of answers that were made elsewhere."""
    st.write(
        "A JSONL or Parquet file with the columns prompt (or prompt\\_id), response and model. "
        "Importing the same file again adds nothing."
    )
    upload = st.file_uploader("File with answers", type=["jsonl", "parquet"], key="generate-upload")
    if upload is None or not st.button("Import", type="primary", key="generate-import"):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"answers{Path(upload.name).suffix.lower()}"
        path.write_bytes(upload.getvalue())
        try:
            told = services.studio().import_responses(project.name, path)
        except PipelineError as error:
            widgets.error_box(error)
            return
    left_out = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in told["excluded"].items())
    st.success(
        widgets.plain(
            f"{told['stored']:,} answers taken in, {told['already_stored']:,} were there before."
            + (f" Left out: {left_out}." if left_out else "")
        )
    )
