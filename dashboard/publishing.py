"""Publishing: the blocks of the Export page that bring a release to the Hugging Face Hub.

The access token is read from the environment of the server; it is never typed, shown or stored here. The work is a process of
its own: what is shown is read from its job, so any tab finds it again.
"""

import streamlit as st

from dashboard import release_tables, services, widgets
from pipeline import jobs
from pipeline.errors import PipelineError
from pipeline.publishing import KIND, command_of
from pipeline.records import Job, JobState, Project, Release

POLL_S = 1.0
PRIVATE, PUBLIC = "Private: only you and your organisation", "Public: everybody"


def show_publishing(project: Project, release: Release) -> None:
    """Where the release went, what stands in the way, and the way to the Hub."""
    st.subheader(f"Publish {release.label} on the Hugging Face Hub", anchor=False)
    _show_publications(project, release)
    running = _last_job(project)
    if running and running.state is JobState.RUNNING:
        st.fragment(_watch, run_every=POLL_S)(running.id)
        return
    if running and running.command[2:3] == (release.name,):
        _show_end(running)
    if not services.studio().settings.hub_token:
        st.info(
            "There is no access token. Make one with write access at huggingface.co/settings/tokens, give it to the server in the"
            " variable HF_TOKEN or in `.streamlit/secrets.toml`, and start the dashboard again. It is never stored or shown."
        )
        return
    _form(project, release)


def _show_publications(project: Project, release: Release) -> None:
    for each in services.studio().store.publications(project.name):
        if each.release == release.name:
            who = "private" if each.is_private else "public"
            st.write(
                f"Published: [{widgets.plain(each.repo)}]({each.url}), tag {widgets.plain(each.tag)}, {who}, {each.at[:10]}."
            )


def _form(project: Project, release: Release) -> None:
    known = services.studio().store.publications(project.name)
    repo = st.text_input(
        "Dataset on the Hub",
        value=known[0].repo if known else "",
        placeholder="my-community/my-language-preferences",
        help="OWNER/NAME; made if it is not there yet.",
    ).strip()
    visibility = st.radio("Who can see it", (PRIVATE, PUBLIC), index=0 if not known or known[0].is_private else 1)
    is_private = visibility == PRIVATE
    reviewed = _show_personal(project, release)
    try:
        hindrances = services.studio().publishing.hindrances(project.name, release.name, texts_reviewed=True)
    except PipelineError as error:
        widgets.error_box(error)
        return
    for hindrance in hindrances:
        said = hindrance.message.split(": [", 1)[0].rstrip(".")
        st.warning(widgets.plain(f"{said}. {hindrance.hint}"))
    is_ready = bool(repo) and reviewed and not hindrances
    with st.container(horizontal=True):
        asked = st.button("See what would be uploaded", disabled=not repo)
        pressed = st.button(f"Publish {release.label}", type="primary", disabled=not is_ready)
    if not is_ready:
        st.caption(_what_is_missing(repo=repo, reviewed=reviewed, has_hindrances=bool(hindrances)))
    if asked:
        _show_plan(project, release, repo, is_private=is_private)
    if pressed:
        _start(project, release, repo, is_private=is_private)


def _what_is_missing(*, repo: str, reviewed: bool, has_hindrances: bool) -> str:
    missing = [
        "give the dataset a name" if not repo else "",
        "say that you have read the texts" if not reviewed else "",
        "settle what stands in the way" if has_hindrances else "",
    ]
    return f"Before it can be published: {', '.join(filter(None, missing))}."


def _show_personal(project: Project, release: Release) -> bool:
    """What looks like personal data in the texts; say whether somebody has read it."""
    found = services.personal(project.name, release.name)
    if not found:
        st.write("No e-mail address, telephone number or annotator's name was found in its texts.")
        return True
    st.warning(f"{len(found):,} places in its texts may hold personal data. Read them before anybody else can.")
    st.dataframe(release_tables.personal(found), hide_index=True)
    st.caption("To take one out, leave its pair out on the Curate page and write the release again.")
    return st.checkbox("I have read them, and they may be published", key=f"reviewed-{release.name}")


def _show_plan(project: Project, release: Release, repo: str, *, is_private: bool) -> None:
    try:
        with st.spinner("Asking the Hub what is there …"):
            plan = services.studio().publishing.plan(project.name, release.name, repo, is_private=is_private)
    except PipelineError as error:
        widgets.error_box(error)
        return
    new = "" if plan["exists"] else " The dataset would be made."
    st.info(
        widgets.plain(
            f"{release_tables.megabytes(plan['upload_bytes'])} would be sent as {plan['user']}.{new} Nothing was changed."
        )
    )
    st.dataframe(release_tables.plan(plan["files"]), hide_index=True)


def _start(project: Project, release: Release, repo: str, *, is_private: bool) -> None:
    opened = services.studio()
    arguments = command_of(project.name, release.name, repo, is_private=is_private, texts_reviewed=True)
    try:
        jobs.start(opened.store, workspace=opened.settings.workspace, project=project.name, kind=KIND, arguments=arguments)
    except PipelineError as error:
        widgets.error_box(error)
        return
    st.rerun()


def _last_job(project: Project) -> Job | None:
    store = services.studio().store
    newest = next((job for job in store.jobs(project.name) if job.kind == KIND), None)
    return jobs.refresh(store, newest) if newest else None


def _watch(job_id: str) -> None:
    store = services.studio().store
    job = jobs.refresh(store, jobs.find(store, job_id))
    if job.state is not JobState.RUNNING:
        st.rerun()
    share = job.done / job.total if job.total else 0.0
    text = (
        f"{release_tables.megabytes(job.done)} of {release_tables.megabytes(job.total)}"
        if job.total
        else "Asking the Hub what is there …"
    )
    st.progress(min(share, 1.0), text=text)
    if job.stop_requested:
        st.info("Stopping after the file under way.")
    elif st.button("Stop", key=f"stop-{job.id}", help="What has arrived stays, and is not sent again."):
        jobs.stop(store, job)
        st.rerun(scope="fragment")


def _show_end(job: Job) -> None:
    # Only a job that published leaves an address; whoever pressed Stop too late has published all the same.
    if job.state is not JobState.FAILED and job.message.startswith("http"):
        st.success(f"Published at {widgets.plain(job.message)}. The card, the files and a tag with the version are there.")
    elif job.state is JobState.STOPPED:
        st.warning("Publishing was stopped. Publish again to go on: what has arrived is not sent twice.")
    else:
        st.error(widgets.plain(job.message or "Publishing ended without a word. Publish again to go on."))
