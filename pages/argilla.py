"""Argilla page: where do people vote, how far are they, and what has come home?

A coordinator tests the connection, sends pairs, follows the voting, brings votes home and invites annotators.
"""

import streamlit as st

from dashboard import charts, services, standing, tables, transfers, widgets
from pipeline import progress
from pipeline.adapters.argilla_client import without_login
from pipeline.adapters.argilla_connection import Connection
from pipeline.errors import PipelineError
from pipeline.records import Project

SHOWN_PAIRS = 20
SET_UP = """\
export ARGILLA_API_URL=https://argilla.example.org
export ARGILLA_API_KEY=...      # "API key" on your settings page in Argilla; of an owner or an admin
export ARGILLA_WORKSPACE=...    # only where the key may see several workspaces"""


def page() -> None:
    """Draw the page; what is sent and what a vote means is decided in the pipeline."""
    how = "On the Annotate page of this dashboard, on your community's Argilla server, or on both."
    widgets.page_title("Where do people vote?", how)
    tracking = services.studio().tracking
    if not tracking.is_set_up:
        st.write("No Argilla server is set up, so people vote on the Annotate page. To use one, set these and start anew:")
        st.code(SET_UP, language="bash")
        if st.button("Open the voting page", type="primary"):
            widgets.go_to("annotate")
        return
    _show_connection()
    project = widgets.pick_project()
    if project is None:
        return
    link = tracking.link(project.name)
    if link is None:
        _show_transfers(project, is_sent=False)
        _show_invitation()
        return
    st.subheader("How far are they?", anchor=False)
    standing.watch(project.name)
    st.link_button("Open in Argilla", f"{link.url}/dataset/{link.dataset_id}/annotation-mode")
    _show_transfers(project, is_sent=True)
    _show_home(project)
    _show_disagreements(project)
    _show_invitation()
    _show_removal(project)


def _show_connection() -> None:
    """The server's address, and at the press of a button whether it can be used."""
    address = without_login(services.studio().settings.argilla_url)
    st.write(widgets.plain(f"The Argilla server is at {address}."))
    if not st.button("Test the connection"):
        return
    try:
        with st.spinner("Asking the server …"):
            _describe(services.studio().tracking.connection())
    except PipelineError as error:
        widgets.error_box(error)


def _describe(found: Connection) -> None:
    where = f"Argilla {found.version} answers. The key is {found.user}'s ({found.role}); the workspace is {found.workspace}"
    inside = f"Datasets there: {', '.join(found.datasets[:10])}" if found.datasets else "It holds no dataset yet"
    st.success(widgets.plain(f"{where}. {inside}."))
    if found.note:
        st.warning(widgets.plain(found.note))


def _show_transfers(project: Project, *, is_sent: bool) -> None:
    """Send pairs and bring votes home, with how the last time went."""
    st.subheader("Send pairs, bring votes home", anchor=False)
    is_running = transfers.show(project.name)
    suggest = st.checkbox(
        "Show annotators what the judge thinks before they choose",
        help="It sways them, so leave this off unless you have a reason.",
        disabled=is_running,
    )
    with st.container(horizontal=True):
        push = st.button("Send new pairs" if is_sent else "Send the pairs", type="primary", disabled=is_running)
        pull = st.button("Bring the votes home", disabled=is_running or not is_sent)
    if push or pull:
        try:
            transfers.start("push" if push else "pull", project.name, suggest=suggest)
        except PipelineError as error:
            widgets.error_box(error)


def _show_home(project: Project) -> None:
    """Votes by day and agreement, of what has come home."""
    pace = services.pace(project.name)
    daily = pace.daily
    if daily.empty:
        return
    st.subheader("What has come home?", anchor=False)
    left, right = st.columns(2)
    with left:
        widgets.chart(charts.votes_per_day(daily), key="argilla-days")
    with right:
        widgets.chart(
            charts.votes_in_total(daily, goal=progress.goal(daily, votes_missing=pace.votes_missing)), key="argilla-total"
        )
    same = services.agreement(project.name).coefficients["percent"]
    if same.value is None:
        st.write(widgets.plain(f"Agreement cannot be told yet. {same.why}"))
    else:
        between = "" if same.low is None or same.high is None else f" ({100 * same.low:.0f} to {100 * same.high:.0f})"
        st.write(f"Two people said the same in {100 * same.value:.0f} % of cases{between}, n = {same.n:,}.")
    if st.button("See how far they agree"):
        widgets.go_to("agreement")


def _show_disagreements(project: Project) -> None:
    """The pairs people differ on, each with its place in Argilla where there is one."""
    contested = services.review_queue(project.name, "entropy")
    contested = contested[~contested["is_decided"]].head(SHOWN_PAIRS)
    if contested.empty:
        return
    # Looked up at the server when somebody asks for it.
    if not st.toggle(f"Show the pairs on which people differ most ({len(contested):,})"):
        return
    try:
        urls = services.studio().tracking.pair_urls(project.name, list(contested["pair_id"]))
    except PipelineError as error:
        widgets.error_box(error)
        return
    st.dataframe(
        tables.contested(contested, services.pairs(project.name), urls),
        hide_index=True,
        column_config={"in Argilla": st.column_config.LinkColumn(display_text="Open in Argilla")},
    )
    st.write(
        "A pair without a link has all its answers: Argilla shows it only to those who answered it. The links are for the "
        "person whose key is set. Decide contested pairs on the Curate page."
    )


def _show_invitation() -> None:
    """New annotators, each with a first password that is shown this once."""
    with st.expander("Invite annotators"):
        with st.form("invite", border=False, clear_on_submit=True):
            text = st.text_area("User names, one on each line", height=100)
            is_pressed = st.form_submit_button("Make their accounts")
        names = [name.strip() for name in text.splitlines() if name.strip()]
        if not is_pressed or not names:
            return
        try:
            told = services.studio().invite(names)
        except PipelineError as error:
            widgets.error_box(error)
            return
        st.warning("Copy the passwords now and give each person their own: they are shown this once and kept nowhere.")
        st.dataframe(told["annotators"], hide_index=True)
        st.write(widgets.plain(f"They sign in at {told['url']}"))


def _show_removal(project: Project) -> None:
    """Remove the dataset from Argilla: typed, after a snapshot, and never with votes that are not home."""
    with st.expander("Remove the dataset from Argilla"):
        st.write(
            "The votes brought home stay. All the dataset holds is first written to a file in the workspace; if a vote there "
            "has not come home, nothing is removed."
        )
        confirmed = st.text_input("Type the dataset's name to confirm", key=f"remove-{project.name}")
        if not st.button("Remove it for good", disabled=not confirmed):
            return
        try:
            with st.spinner("Bringing votes home and writing the snapshot …"):
                told = services.studio().remove_from_argilla(project.name, confirmed)
        except PipelineError as error:
            widgets.error_box(error)
            return
        st.success(widgets.plain(f"Removed. What it held is kept in {told['snapshot']}."))


page()
