"""Board: where does each project stand, and what should be done next?

Reads the status of every project; the page a coordinator opens in the morning.
"""

import streamlit as st

from dashboard import charts, services, state, tables, widgets
from pipeline.errors import PipelineError
from pipeline.records import DocumentKind, Project
from pipeline.studio import ProjectStatus


def next_step(status: ProjectStatus) -> tuple[str, str, str]:
    """Return the page to go to, the label of its button, and one sentence on why."""
    if not status.prompts:
        return "languages", "Choose other prompts", "No prompt passed the selection."
    if status.responses < status.prompts and not status.votes:
        missing = status.prompts - status.responses
        return "generate", "Generate answers", f"{missing:,} prompts still need a second answer."
    if status.completed_pairs < status.pairs:
        missing = status.pairs - status.completed_pairs
        return "annotate", "Open the voting page", f"{missing:,} of {status.pairs:,} pairs still need votes."
    if not status.preferences:
        return "curate", "Look at the rules", "All pairs have their votes, but no preference came out yet."
    if not status.releases:
        return "export", "Export the dataset", f"{status.preferences:,} preferences are ready to export."
    return "export", "See the releases", "Finished: exported, and ready to train on."


def page() -> None:
    """Draw the board."""
    widgets.page_title(
        "Where do our projects stand?",
        "Each project is one language: prompts and human answers, second answers, votes, a dataset.",
    )
    every = services.status()
    projects = {project.name: project for project in services.projects()}
    for status in reversed(every):
        _card(projects[status.name], status)
    if all(project.is_demonstration for project in projects.values()):
        st.subheader("Start with your own language", anchor=False)
        st.write("The demonstration shows every step. Your own project begins with a language of the Aya dataset.")
    if st.button("Choose a language", type="primary"):
        st.switch_page(widgets.PAGES["languages"])
    _more_demonstrations()


def _card(project: Project, status: ProjectStatus) -> None:
    """One project: its funnel, how far the voting is, and the next step."""
    with st.container(border=True):
        st.subheader(widgets.plain(status.name), anchor=False)
        people = f"{status.votes:,} votes by {status.annotators:,} people"
        st.caption(widgets.plain(f"{status.language} · {people} · {tables.money(status.spent_usd)} spent"))
        widgets.demonstration_note(project)
        left, right = st.columns([3, 2], vertical_alignment="center")
        with left:
            widgets.chart(charts.funnel(tables.funnel(status.as_dict())), key=f"funnel-{status.name}")
        with right:
            share = status.completed_pairs / status.pairs if status.pairs else 0.0
            st.progress(share, text=f"{status.completed_pairs:,} of {status.pairs:,} pairs have all {project.votes_wanted} votes")
            noun, label, reason = next_step(status)
            st.write(widgets.plain(reason))
            if st.button(label, key=f"next-{status.name}", type="primary"):
                state.choose_project(status.name)
                widgets.go_to(noun)
        _settings(project)


def _settings(project: Project) -> None:
    """What a coordinator may change: votes wanted, guidelines."""
    with st.expander("Settings: votes wanted and guidelines"), st.form(f"settings-{project.name}", border=False):
        st.caption(f"Rows from {widgets.plain(project.source)}, revision {widgets.plain(project.revision[:12])}.")
        wanted = st.number_input("Votes wanted on each pair", 1, max(25, project.votes_wanted), project.votes_wanted)
        _, guidelines = services.studio().store.document(project.name, DocumentKind.GUIDELINES)
        edited = st.text_area("Guidelines the annotators read", guidelines, height=200)
        if st.form_submit_button("Save"):
            services.studio().save_settings(project.name, votes_wanted=int(wanted), guidelines=edited)
            st.toast("Saved. Annotators read the new guidelines from their next pair on.")
            st.rerun()


def _more_demonstrations() -> None:
    """Offer the demonstration in other languages, to see other scripts and directions."""
    with st.expander("See the demonstration in another language"):
        language = st.selectbox("Language", services.studio().demonstration_languages(), index=None, placeholder="Choose")
        if language and st.button("Make this demonstration"):
            try:
                services.studio().demo(language)
            except PipelineError as error:
                widgets.error_box(error)
                return
            st.rerun()


page()
