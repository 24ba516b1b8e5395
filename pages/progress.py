"""Progress page: how far are we, who is voting, and when will it be done?"""

from datetime import UTC, datetime

import streamlit as st

from dashboard import charts, services, tables, widgets
from pipeline import progress
from pipeline.records import Project


def page() -> None:
    """Draw the page; every number comes from `pipeline.progress`."""
    widgets.page_title("How far are we?", "From prompts to the finished dataset, who is voting, and when it will be done.")
    project = widgets.pick_project()
    if project is None:
        return
    votes, pairs = services.votes(project.name), services.pairs(project.name)
    if pairs.empty:
        widgets.empty_state(
            "There is nothing to vote on yet: each prompt needs a second answer.", next_page="generate", label="Generate answers"
        )
        return
    missing = progress.votes_wanted_still(pairs, votes_wanted=project.votes_wanted)
    now = datetime.now(UTC)
    forecast = progress.forecast(votes, votes_missing=missing, now=now)
    st.subheader("When will the votes be in?", anchor=False)
    st.write(forecast.sentence)
    _next_step(missing)
    _show_funnel(project)
    if votes.empty:
        return
    _show_days(progress.votes_per_day(votes), missing)
    st.subheader("Who is voting?", anchor=False)
    st.dataframe(tables.annotators(progress.by_annotator(votes, now=now)), hide_index=True)


def _next_step(missing: int) -> None:
    if missing:
        label, page_noun = "Open the voting page", "annotate"
    else:
        label, page_noun = "See whether the votes agree", "agreement"
    if st.button(label, type="primary"):
        widgets.go_to(page_noun)


def _show_funnel(project: Project) -> None:
    """The stages from prompt to release, as bars and as numbers."""
    st.subheader("How much is at each stage?", anchor=False)
    status = services.project_status(project.name)
    stages = progress.funnel(
        prompts=status.prompts,
        responses=status.responses,
        pairs=services.pairs(project.name),
        votes_wanted=project.votes_wanted,
        preferences=status.preferences,
        exported=services.exported_rows(project.name),
    )
    left, right = st.columns([3, 2])
    left.plotly_chart(charts.funnel(stages), config=charts.PLAIN, alt="Bars: rows at each stage; the table beside holds the numbers.")
    right.dataframe(tables.stages(stages), hide_index=True)


def _show_days(daily: "progress.pd.DataFrame", missing: int) -> None:
    """Votes per day and in total, as charts and as numbers."""
    st.subheader("How many votes come in?", anchor=False)
    left, right = st.columns(2)
    left.plotly_chart(charts.votes_per_day(daily), config=charts.PLAIN, alt="Bars: votes of each day; the table below holds the numbers.")
    goal = int(daily["votes"].sum()) + missing
    right.plotly_chart(charts.votes_in_total(daily, goal=goal), config=charts.PLAIN, alt="Line: votes so far against the goal.")
    with st.expander("The numbers day by day"):
        st.dataframe(tables.days(daily), hide_index=True)


page()
