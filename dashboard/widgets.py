"""Widgets: blocks that several pages repeat: title, project picker, empty state, error box, exact text.

Text from outside is shown by `text_card` alone: escaped, in its own direction, with its own line breaks.
"""

import html
from collections.abc import Callable, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import services, state, tables
from pipeline import demonstration, jobs
from pipeline.errors import PipelineError
from pipeline.records import Job, Project

PAGES = {
    "overview": "overview.py",
    "languages": "../pages/languages.py",
    "generate": "../pages/generate.py",
    "annotate": "../pages/annotate.py",
    "argilla": "../pages/argilla.py",
    "progress": "../pages/progress.py",
    "agreement": "../pages/agreement.py",
    "curate": "../pages/curate.py",
    "export": "../pages/export.py",
}
"""Page noun -> script, as `st.Page` and `st.switch_page` name it (relative to Home.py)."""

LAZY_FROM_ROWS = 5_000
"""From so many rows on, a table is sent to the browser bit by bit."""

STYLE = """<style>
[data-testid="stMainBlockContainer"] {padding-top: 4.5rem; padding-bottom: 3rem;}
/* Streamlit's greys for captions and axes stay below a contrast of 4.5. */
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p {color: inherit; opacity: .95;}
.js-plotly-plot :is(.xtick text, .ytick text, .xtitle, .ytitle, .legendtext) {fill: currentColor !important;}
textarea {unicode-bidi: plaintext; text-align: start;}
.st-key-phone-navigation {display: none;}
@media (max-width: 768px) {
  [data-testid="stExpandSidebarButton"], [data-testid="stSidebar"] {display: none;}
  .st-key-phone-navigation {display: flex; flex-wrap: wrap; row-gap: 0;}
  .st-key-phone-navigation > * {flex: none; width: auto;}
}
.studio-text {white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; text-align: start; line-height: 1.55;}
.studio-card {border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .5rem; padding: .75rem 1rem;}
.studio-card h3 {font-size: .9rem; font-weight: 600; margin: 0 0 .4rem 0; padding: 0; opacity: .85;}
</style>"""


def page_title(question: str, subtitle: str = "") -> None:
    """Show the one question this page answers, and a line on how."""
    st.html(STYLE)
    st.title(question, anchor=False)
    if subtitle:
        st.html(f'<p style="opacity:.85">{html.escape(subtitle)}</p>')


def phone_navigation(pages: Sequence[st.Page]) -> None:
    """Show the pages as one row of links on a narrow screen.

    Streamlit 1.67 folds its top navigation into a drawer there, which stays open over the page after each tap.
    """
    with st.container(key="phone-navigation", horizontal=True, gap="xxsmall"):
        for page in pages:
            st.page_link(page)


def go_to(page: str) -> None:
    """Switch to the page of a noun, keeping the project."""
    name = state.current_project_name()
    st.switch_page(PAGES[page], query_params={"project": name} if name else None)


def empty_state(message: str, *, next_page: str, label: str) -> None:
    """Say why there is nothing to show, with a button to the page that changes that, for who may open it."""
    with st.container(border=True):
        st.html(f"<p>{html.escape(message)}</p>")
        if state.is_coordinator() and st.button(label, type="primary", key=f"empty-{next_page}"):
            go_to(next_page)


def error_box(error: PipelineError) -> None:
    """Show what happened and what to do about it."""
    st.error(f"{plain(error.message)}\n\n{plain(error.hint)}")


def worker_output(job: Job) -> None:
    """Let the visitor see what a job's process printed last, if it printed anything."""
    printed = jobs.log_tail(services.studio().settings.workspace, job.id)
    if printed:
        with st.expander("What the worker printed last"):
            st.code(printed, language=None)


def plain(text: str) -> str:
    """Return text in which Streamlit finds no markdown: every punctuation character is escaped."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]()<>#+-.!|~$:&@/" else char for char in text)


def text_html(text: str) -> str:
    """Return text as HTML that shows exactly these characters, in their own direction."""
    # st.html takes the spaces out of a line that holds nothing else, unless line breaks are written as entities;
    # to a browser a carriage return with a line feed is one line break.
    exact = html.escape(text).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "&#10;")
    return f'<div class="studio-text" dir="auto">{exact}</div>'


def text_card(title: str, text: str) -> None:
    """Show a text from outside exactly as it is, under a title of ours."""
    st.html(f'<div class="studio-card"><h3>{html.escape(title)}</h3>{text_html(text)}</div>')


def chart(figure: go.Figure, *, key: str) -> None:
    """Show a chart without plotly's tool bar; its numbers stand beside it."""
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})


def table(shown: pd.DataFrame, *, key: str, name: str) -> None:
    """Show a table with a button that downloads it as a spreadsheet named after `name`."""
    st.dataframe(shown, hide_index=True, lazy=len(shown) >= LAZY_FROM_ROWS, key=f"{key}-table")
    download(lambda: shown, key=key, name=name)


def download(make: Callable[[], pd.DataFrame], *, key: str, name: str) -> None:
    """A button that downloads a table; table and file are made when it is pressed."""
    st.download_button(
        "Download this table",
        data=lambda: tables.spreadsheet(make()),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=f"{key}-download",
        type="tertiary",
        on_click="ignore",
    )


def demonstration_note(project: Project) -> None:
    """Say that what is shown is a demonstration, where it is one."""
    if project.is_demonstration:
        st.info(demonstration.NOTICE)


def pick_project() -> Project | None:
    """Let the visitor choose a project; None, with an empty state shown, when there is none."""
    projects = {project.name: project for project in services.projects()}
    if not projects:
        empty_state(
            "There is no project yet. Start one by choosing a language.", next_page="languages", label="Choose a language"
        )
        return None
    names = list(projects)
    current = state.current_project_name()
    if current is not None and current not in projects:
        st.warning(f"There is no project named {plain(current)} in this workspace; showing {plain(names[-1])}.")
    index = names.index(current) if current in projects else len(names) - 1
    chosen = names[0] if len(names) == 1 else st.selectbox("Project", names, index=index, key=f"project-of-{current}")
    state.choose_project(chosen)
    demonstration_note(projects[chosen])
    return projects[chosen]
