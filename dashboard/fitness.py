"""Fitness: the blocks of the Export page that say what a release would teach, what changed, and under which terms it stands."""

import pandas as pd
import streamlit as st

from dashboard import release_tables, services, tables, widgets
from pipeline.errors import PipelineError
from pipeline.export import ReleaseOptions
from pipeline.health import in_words, token_rows
from pipeline.licences import Question
from pipeline.records import Project, Release

FINDING_COLUMNS = ("of the rows", "value", "95 %", "n")
MOST_OPEN = 2
TOKEN_COLUMNS = ("part", "half of the rows up to", "nine in ten", "99 in 100", "longest", "n")


def show_health(project: Project, options: ReleaseOptions) -> None:
    """Whether the rows would teach what people prefer: what to read first, then every number."""
    report = services.health(project.name, services.whatever_layout(options))
    st.subheader("Is it fit to train on?", anchor=False)
    if not report.concerns and report.is_small:
        st.info(f"Nothing stands out, but {report.looked_at:,} rows are too few to tell. The numbers are below.")
    elif not report.concerns:
        st.success("Nothing stands out. The numbers are below.")
    for finding in report.concerns:
        label, figure, interval, n = in_words(finding)
        st.warning(f"{widgets.plain(f'{label}: {figure}')} ({widgets.plain(interval)}, n = {n}). {finding.note}")
    with st.expander("Every number of the report"):
        rows = [in_words(finding) for finding in report.findings]
        st.dataframe(pd.DataFrame(rows, columns=list(FINDING_COLUMNS)), hide_index=True, height="content")
        st.write("**Whose answer was chosen, where it was shown**")
        rows = [in_words(finding) for finding in report.chosen_by_source]
        st.dataframe(pd.DataFrame(rows, columns=["written by", "chosen", "95 %", "n"]), hide_index=True)
        st.write("**How long it is, in tokens**")
        st.dataframe(pd.DataFrame(token_rows(report.tokens), columns=list(TOKEN_COLUMNS)), hide_index=True)
        st.caption(f"{report.token_note} The same report goes into the card.")


def show_changes(project: Project, latest: Release, options: ReleaseOptions) -> None:
    """What is different from the latest release, row by row."""
    st.subheader(f"What changed since {latest.label}?", anchor=False)
    try:
        found = services.changes(project.name, latest.name, services.whatever_layout(options))
    except PipelineError as error:
        widgets.error_box(error)
        return
    if not len(found.rows):
        st.write(f"Nothing: the {found.kept:,} preferences are those of {latest.label}.")
        return
    with st.container(horizontal=True):
        for label, count in (("Added", found.added), ("Removed", found.removed), ("Turned round", found.flipped)):
            st.metric(label, f"{count:,}", width="content")
        for label, support in (("Votes behind a choice, then", found.support_before), ("now", found.support_now)):
            help_text = f"{tables.span(support.low, support.high)}, n = {support.n:,}"
            st.metric(label, "–" if support.value is None else f"{support.value:.0%}", help=help_text, width="content")
    with st.expander("Row by row"):
        st.dataframe(release_tables.changes(found), hide_index=True, lazy=len(found.rows) >= widgets.LAZY_FROM_ROWS)


def show_terms(project: Project) -> None:
    """The terms of each part, and the questions that only the coordinator can answer."""
    terms = services.terms(project.name)
    st.subheader("Under which licence does it go out?", anchor=False)
    if terms.open:
        n = len(terms.open)
        st.warning(f"{n} {'question is' if n == 1 else 'questions are'} open. Nothing can be published before you answer.")
    else:
        st.success(f"It goes out under {widgets.plain(terms.licence)}.")
    if terms.open:
        # With many models the questions would stand between the rows and the button that writes them.
        with st.expander("The open questions", expanded=len(terms.open) <= MOST_OPEN):
            for question in terms.open:
                _ask(project, question)
    with st.expander("The terms of each part, and what was answered"):
        st.dataframe(release_tables.terms(terms.parts), hide_index=True)
        for question in terms.questions:
            if question.answer:
                _ask(project, question)
        st.caption("What is known of models is a dated list, and no legal advice. The answers are printed in the card.")


def _ask(project: Project, question: Question) -> None:
    """One question with its reason; the answer is kept with the project."""
    with st.form(f"licence-{question.id}", border=True):
        widgets.text_card(question.text, question.why)
        if question.choices:
            index = question.choices.index(question.answer) if question.answer in question.choices else None
            answer = st.selectbox("Licence", question.choices, index=index, placeholder="Choose one")
        else:
            answer = st.text_input("What you found, and where; it is printed in the card", value=question.answer, max_chars=500)
        if st.form_submit_button("Keep this answer"):
            try:
                services.studio().facts.answer(project.name, question.id, answer or "")
            except PipelineError as error:
                widgets.error_box(error)
                return
            st.rerun()
