"""Progress page: how far are we, who is voting, and when will it be done?"""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from dashboard import charts, services, standing, tables, widgets
from pipeline import progress
from pipeline.records import Project


def page() -> None:
    """Draw the page; every number comes from `pipeline.progress`."""
    widgets.page_title("How far are we?", "From prompts to the finished dataset, who is voting, and when it will be done.")
    project = widgets.pick_project()
    if project is None:
        return
    pairs = services.pairs(project.name)
    if pairs.empty:
        message = "There is nothing to vote on yet: each prompt needs a second answer."
        widgets.empty_state(message, next_page="generate", label="Generate answers")
        return
    pace = services.pace(project.name)
    _show_forecast(progress.forecast(pace.daily, votes_missing=pace.votes_missing, now=datetime.now(UTC)))
    _show_argilla(project)
    _show_funnel(project, pairs)
    _show_left_out(project)
    if pace.people.empty:
        return
    _show_days(pace.daily, goal=progress.goal(pace.daily, votes_missing=pace.votes_missing))
    st.subheader("Who is voting?", anchor=False)
    widgets.table(tables.annotators(pace.people), key="people", name="people")


def _show_forecast(forecast: progress.Forecast) -> None:
    """When it will be done, and the page to go to next."""
    st.subheader("When will the votes be in?", anchor=False)
    st.write(widgets.plain(forecast.sentence))
    if forecast.votes_missing:
        noun, label = "annotate", "Open the voting page"
    else:
        noun, label = "agreement", "See whether the votes agree"
    if st.button(label, type="primary"):
        widgets.go_to(noun)


def _show_argilla(project: Project) -> None:
    """How far they are where they vote, if that is Argilla; what they said there counts once it has come home."""
    tracking = services.studio().tracking
    if not tracking.is_set_up or tracking.link(project.name) is None:
        return
    st.subheader("How far are they in Argilla?", anchor=False)
    standing.watch(project.name)
    if st.button("Bring the votes home"):
        widgets.go_to("argilla")


def _show_funnel(project: Project, pairs: pd.DataFrame) -> None:
    """The stages from prompt to release, as bars and as numbers."""
    st.subheader("How much is at each stage?", anchor=False)
    status, releases = services.project_status(project.name), services.studio().store.releases(project.name)
    stages = progress.funnel(
        prompts=status.prompts,
        responses=status.responses,
        pairs=pairs,
        votes_wanted=project.votes_wanted,
        preferences=status.preferences,
        exported=releases[0].rows if releases else 0,
    )
    left, right = st.columns([3, 2])
    with left:
        widgets.chart(charts.funnel(stages), key="stages-chart")
    with right:
        widgets.table(tables.stages(stages), key="stages", name="stages")


def _show_left_out(project: Project) -> None:
    """The rows that never came to a vote, each under its reason."""
    left_out = services.exclusions(project.name)
    if left_out.empty:
        return
    with st.expander(f"{len(left_out):,} rows were left out before voting: see which, and why"):
        counts = left_out["reason"].value_counts()
        reason = st.selectbox(
            "Reason", list(counts.index), format_func=lambda name: f"{tables.LEFT_OUT.get(name, name)} ({counts[name]:,})"
        )
        widgets.table(tables.exclusions(left_out, reason), key="left-out", name=f"left-out-{reason}")


def _show_days(daily: pd.DataFrame, *, goal: int) -> None:
    """Votes per day and in total, as charts and as numbers."""
    st.subheader("How many votes come in?", anchor=False)
    if daily.empty:
        st.write("Only skips so far: no vote counts yet.")
        return
    left, right = st.columns(2)
    with left:
        widgets.chart(charts.votes_per_day(daily), key="votes-per-day")
    with right:
        widgets.chart(charts.votes_in_total(daily, goal=goal), key="votes-in-total")
    with st.expander("The numbers, day by day"):
        widgets.table(tables.days(daily), key="days", name="votes-by-day")


page()
