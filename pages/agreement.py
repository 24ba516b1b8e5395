"""Agreement page: can we trust the votes, and where do annotators differ?"""

import streamlit as st

from dashboard import charts, reading, services, tables, widgets
from pipeline import agreement
from pipeline.agreement import AgreementReport
from pipeline.records import Project

_LINES = """
- The thick line is the range for other pairs with the same people, the thin line for other pairs and other people (95 %).
- *Raw agreement* is how often two people make the same choice. Some of that is chance.
- *Alpha* and *AC1* take chance away: 0 is no better than chance, 1 is always the same. They differ in how they reckon chance.
- Krippendorff's rule: rely on data with alpha from .80, be careful from .67. Preferences are partly taste: in AlpacaFarm, a
  published set, people agree with most of the others on 65.7 % of the pairs.
"""


def page() -> None:
    """Draw the page; every number comes from `pipeline.agreement`."""
    widgets.page_title("Can we trust the votes?", "How often people who vote on the same pair make the same choice.")
    project = widgets.pick_project()
    if project is None:
        return
    report = services.agreement(project.name)
    if not report.votes:
        message = "Nobody has voted yet, so there is nothing to compare."
        widgets.empty_state(message, next_page="annotate", label="Open the voting page")
        return
    _show_verdict(report)
    _show_coefficients(report)
    _show_annotators(report)
    _show_contested(project)


def _show_verdict(report: AgreementReport) -> None:
    """The answer in a sentence, and what to do next."""
    verdict = agreement.verdict(report)
    show = {"yes": st.success, "care": st.warning, "no": st.error, "unknown": st.info}[verdict.level]
    show(f"**{widgets.plain(verdict.sentence)}** {widgets.plain(verdict.advice)}")
    skipped = f" Skips do not count; there are {report.skipped:,}." if report.skipped else ""
    st.caption(
        f"{report.votes:,} votes by {report.annotators:,} people; "
        f"{report.pairs_compared:,} of {report.pairs:,} pairs have two votes or more.{skipped}"
    )


def _show_coefficients(report: AgreementReport) -> None:
    """Three coefficients with their intervals, then all of them."""
    st.subheader("How far do people agree?", anchor=False)
    main = tables.coefficients(report, tables.MAIN_COEFFICIENTS)
    for column, name in zip(st.columns(len(main)), tables.MAIN_COEFFICIENTS, strict=True):
        one = report.coefficients[name]
        column.metric(tables.COEFFICIENTS[name], tables.number(one.value), border=True)
        column.caption(widgets.plain(f"{tables.span(one.low, one.high)}; {one.n:,} pairs. {one.why}"))
    note = agreement.prevalence_note(report)
    if note:
        st.info(widgets.plain(note))
    if main["value"].notna().any():
        widgets.chart(charts.coefficients(main), key="coefficients")
    with st.expander("What do these numbers mean?"):
        st.markdown(_LINES)
    with st.expander("All coefficients"):
        st.dataframe(tables.coefficients_in_words(tables.coefficients(report)), hide_index=True)
    with st.expander("How often was each choice made?"):
        st.dataframe(tables.choice_shares(report), hide_index=True)


def _show_annotators(report: AgreementReport) -> None:
    """Who agrees with whom, as a map and as numbers."""
    st.subheader("Who agrees with whom?", anchor=False)
    if report.annotator_pairs.empty:
        st.write("No two people have voted on the same pair yet.")
        return
    left, right = st.columns(2)
    with left:
        widgets.chart(charts.agreement_heatmap(tables.annotator_matrix(report.annotator_pairs)), key="annotators")
        if report.annotators > tables.MATRIX_SIZE:
            st.caption(f"The {tables.MATRIX_SIZE} people with most pairs in common; the table holds everyone.")
    right.dataframe(
        tables.annotator_pairs(report.annotator_pairs),
        hide_index=True,
        lazy=len(report.annotator_pairs) >= reading.LAZY_FROM_ROWS,
    )


def _show_contested(project: Project) -> None:
    """The pairs on which people differ, most divided first."""
    st.subheader("Where do people differ?", anchor=False)
    divided = agreement.contested(services.votes(project.name))
    if divided.empty:
        st.write("Nowhere: on every pair with two votes or more, all votes are the same.")
        return
    pairs = services.pairs(project.name)
    reading.open_pair(tables.contested(divided, pairs), pairs, key="contested")


page()
