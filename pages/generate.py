"""Generate page: which model writes the second answers, what will it cost, and how far is it?"""

import streamlit as st

from dashboard import generation, noticed, runs, services, widgets
from pipeline.records import JobState, Project


def page() -> None:
    """Draw the page; the work is done by `pipeline.generate` and `pipeline.judge` in processes of their own."""
    widgets.page_title(
        "Which model writes the second answers?",
        "Each prompt has a person's answer; a model's beside it makes a pair to vote on.",
    )
    project = widgets.pick_project()
    if project is None:
        return
    known = runs.latest_jobs(project)
    running = [job for job in known if job.state is JobState.RUNNING]
    if running:
        runs.watch(running)
    for job in known:
        if job.state is not JobState.RUNNING:
            runs.show_end(project, job)
    if not running and not services.pairs(project.name).empty and st.button("Next: let people vote"):
        widgets.go_to("annotate")
    # A page that is all about the run under way: what was started is not pushed out of sight by the form that started it.
    if not running or st.toggle("Ask another model, judge or import meanwhile", key="generate-meanwhile"):
        _offer_work(project)
    for show in (noticed.show_answers, noticed.show_screens, noticed.show_judges, noticed.show_spend, noticed.show_failures):
        show(project)


def _offer_work(project: Project) -> None:
    """The forms: ask models, let one judge, bring answers."""
    ask, judged, bring = st.tabs(["Ask models", "Let a model judge", "Import answers made elsewhere"])
    with ask:
        endpoints = generation.ask_for_endpoints(project, "generate")
        system_prompt = generation.edit_system_prompt(project)
        if endpoints:
            generation.offer_start(project, endpoints, system_prompt)
    with judged:
        judges = generation.ask_for_endpoints(project, "judge", most=1)
        if judges:
            generation.offer_judging(project, judges)
    with bring:
        generation.import_answers(project)


page()
