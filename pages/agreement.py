"""Agreement page: can we trust the votes, and where do annotators differ?"""

import streamlit as st

from dashboard import charts, deciding, opinions, outlook, reading, services, tables, widgets
from pipeline import agreement, annotators, segments
from pipeline.adjudicate import Order
from pipeline.agreement import AgreementReport
from pipeline.curate import Rules
from pipeline.errors import PipelineError
from pipeline.records import Project

NUMBERS, CONTESTED, PEOPLE, PARTS, MORE, JUDGES = TABS = (
    "In numbers",
    "Contested pairs",
    "People",
    "Parts of the data",
    "More votes",
    "Judges",
)

_RANGES = (
    "Thick line: how far the number may move with other pairs, judged by the same people. Thin line: with other pairs and "
    "other people. Both hold the true figure 95 times in 100."
)
_LINES = """
- *Raw agreement* is how often two people make the same choice. Some of that is chance.
- *Alpha* and *AC1* take chance away: 0 is no better than chance, 1 is always the same. They differ in how they reckon chance.
"""


def page() -> None:
    """Draw the page; every number comes from the pipeline."""
    widgets.page_title("Can we trust the votes?", "How often people who vote on the same pair make the same choice.")
    project = widgets.pick_project()
    if project is None:
        return
    report = services.agreement(project.name)
    if not report.votes:
        message = "All votes are skips" if report.skipped else "Nobody has voted yet"
        message += ", so there is nothing to compare."
        widgets.empty_state(message, next_page="annotate", label="Open the voting page")
        return
    _show_verdict(report)
    # Only the open tab is worked out, so that a large project keeps its pace.
    tabs = dict(
        zip(
            TABS,
            st.tabs(list(TABS), key="agreement-view", on_change="rerun"),
            strict=True,
        )
    )
    with tabs[NUMBERS]:
        if tabs[NUMBERS].open:
            _show_coefficients(report)
    with tabs[CONTESTED]:
        if tabs[CONTESTED].open:
            _show_contested(project, report)
    with tabs[PEOPLE]:
        if tabs[PEOPLE].open:
            _show_people(project, report)
    with tabs[PARTS]:
        if tabs[PARTS].open:
            _show_parts(project)
    with tabs[MORE]:
        if tabs[MORE].open:
            outlook.show_outlook(project)
    with tabs[JUDGES]:
        if tabs[JUDGES].open:
            _show_judges(project)


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
    """Three coefficients with their intervals, what they mean, and what others reached."""
    main = tables.coefficients(report, tables.MAIN_COEFFICIENTS)
    for column, name in zip(st.columns(len(main)), tables.MAIN_COEFFICIENTS, strict=True):
        value, sure = tables.headline(name, report.coefficients[name])
        column.metric(tables.COEFFICIENTS[name], value, border=True)
        column.caption(widgets.plain(sure))
    note = agreement.prevalence_note(report)
    if note:
        st.info(widgets.plain(note))
    if main["value"].notna().any():
        widgets.chart(charts.coefficients(main), key="coefficients")
        st.caption(_RANGES)
    with st.expander("What do these numbers mean?"):
        st.markdown(_LINES)
        widgets.table(opinions.SCALE, key="scale", name="reliability-scale")
        st.caption(opinions.SCALE_LIMITS)
    with st.expander("What did others reach?"):
        widgets.table(opinions.anchors(report), key="anchors", name="anchors")
    with st.expander("All coefficients"):
        widgets.table(tables.coefficients_in_words(tables.coefficients(report)), key="coefficients-all", name="coefficients")
    with st.expander("How often was each choice made?"):
        widgets.table(tables.choice_shares(report), key="choices", name="choices")


def _show_contested(project: Project, report: AgreementReport) -> None:
    """The queue of pairs for a reviewer, and the pair that is chosen with a form to decide it."""
    st.subheader("Where do people differ?", anchor=False)
    order = st.selectbox("Order", list(Order), format_func=lambda each: opinions.ORDERS[each], key="queue-order")
    found = services.review_queue(project.name, order)
    st.write(widgets.plain(opinions.queue_sentence(found, pairs_compared=report.pairs_compared)))
    if found.empty:
        return
    pairs = services.pairs(project.name)
    chosen = reading.choose_pair(found, lambda some: opinions.queue(some, pairs), key=f"queue-{order}", name="contested-pairs")
    if chosen is not None:
        deciding.decide_pair(project, chosen, key="queue")


def _show_people(project: Project, report: AgreementReport) -> None:
    """What is worth a word with whom, then who agrees with whom; made-up names unless asked otherwise."""
    show_names = st.toggle("Show the names people voted under", key="show-names")
    stand_ins = services.stand_ins(project.name)
    names = {name: name for name in stand_ins} if show_names else stand_ins
    st.subheader("What is worth a word?", anchor=False)
    examined = services.examined(project.name)
    asked = annotators.questions(examined)
    if not asked:
        st.write(opinions.nothing_asked(examined))
    for question in asked:
        st.markdown(f"- **{widgets.plain(names[question.annotator])}**: {widgets.plain(f'{question.seen} {question.ask}')}")
    if asked:
        st.caption("These are questions to talk about, not verdicts: whoever differs may be the one who reads most carefully.")
    with st.expander("All people in numbers"):
        widgets.table(opinions.people(examined, names), key="people", name="people")
    _show_together(report, names)
    _offer_joining(project, list(stand_ins), is_named=show_names)


def _show_together(report: AgreementReport, names: dict[str, str]) -> None:
    """Who agrees with whom, as a map and as numbers."""
    st.subheader("Who agrees with whom?", anchor=False)
    if report.annotator_pairs.empty:
        st.write("No two people have voted on the same pair yet.")
        return
    together = tables.renamed(report.annotator_pairs, names)
    enough = together[together["n"] >= tables.MIN_SHARED]
    left, right = st.columns(2)
    with left:
        if enough.empty:
            st.write(f"No two people have {tables.MIN_SHARED} pairs in common yet; a map of less would show chance.")
        else:
            widgets.chart(charts.agreement_heatmap(tables.annotator_matrix(enough)), key="annotators")
            st.caption(f"Fields are empty below {tables.MIN_SHARED} pairs in common.")
        if report.annotators > tables.MATRIX_SIZE:
            st.caption(f"The {tables.MATRIX_SIZE} people with most pairs in common; the table holds everyone.")
    with right:
        widgets.table(tables.annotator_pairs(together), key="together", name="who-agrees-with-whom")


def _offer_joining(project: Project, names: list[str], *, is_named: bool) -> None:
    """Let somebody who voted under two names be counted as one person; every vote stays as it was cast."""
    with st.expander("Did somebody vote under two names?"):
        if not is_named:
            st.write("Switch on the names above, and you can join two of them.")
            return
        with st.form("join", border=False):
            old = st.selectbox("The votes cast as", names, index=None, placeholder="Choose a name")
            new = st.text_input("belong to", placeholder="Another name from the list, or a new one")
            st.caption(
                "Where both names voted on a pair, the later vote counts. Every vote is kept, and a name can be changed back."
            )
            is_sent = st.form_submit_button("Join them")
        if not is_sent or old is None:
            return
        try:
            services.studio().decisions.rename_annotator(project.name, old, new)
        except PipelineError as error:
            widgets.error_box(error)
            return
        st.rerun()


def _show_parts(project: Project) -> None:
    """Agreement by kind of pair and by time."""
    st.subheader("Is there a part on which people agree less?", anchor=False)
    dimension = st.selectbox(
        "Divide by", list(opinions.DIMENSIONS), format_func=opinions.DIMENSIONS.__getitem__, key="segment-dimension"
    )
    found = services.languages_compared() if dimension == "language" else services.segments(project.name)
    part = found[found["dimension"] == dimension]
    st.info(widgets.plain(segments.sentence(part)))
    if part["percent"].notna().any():
        widgets.chart(charts.segments(part[part["percent"].notna()]), key="segments")
    widgets.table(opinions.segments(part), key="segments", name=f"agreement-by-{dimension}")


def _show_judges(project: Project) -> None:
    """How far each judge decides as people do."""
    st.subheader("Does a judge decide as people do?", anchor=False)
    found = services.judge_checks(project.name, min_votes=Rules.from_dict(project.rules).min_votes)
    if not found:
        st.write("No model has judged pairs of this project yet. To let one: `python -m pipeline judge PROJECT --model ... `")
        return
    for one in found:
        st.info(widgets.plain(opinions.judge_sentence(one)))
        key = f"judge-{one.judge}"
        widgets.table(opinions.judge_figures(one), key=f"{key}-figures", name="judge")
        left, right = st.columns(2)
        with left:
            st.caption("What people said, and what the judge said (pairs)")
            widgets.table(opinions.confusion(one), key=f"{key}-confusion", name="judge-and-people")
        with right:
            st.caption("Is it right more often where it sees a larger difference?")
            widgets.table(opinions.by_gap(one), key=f"{key}-gap", name="judge-by-gap")


page()
