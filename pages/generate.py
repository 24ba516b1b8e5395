"""Generate page: which model writes the second answers, what will it cost, and how far is it?"""

import streamlit as st

from dashboard import generation, services, widgets
from pipeline.records import JobState


def page() -> None:
    """Draw the page; the work is done by `pipeline.generate` in a process of its own."""
    widgets.page_title(
        "Which model writes the second answers?",
        "Each prompt has a person's answer; a model's beside it makes a pair to vote on.",
    )
    project = widgets.pick_project()
    if project is None:
        return
    job = generation.latest_job(project)
    if job is not None and job.state is JobState.RUNNING:
        generation.watch(job)
    else:
        if job is not None:
            generation.show_end(project, job)
        if not services.pairs(project.name).empty and st.button("Next: let people vote"):
            widgets.go_to("annotate")
        ask, bring = st.tabs(["Ask a model", "Import answers made elsewhere"])
        with ask:
            endpoint = generation.ask_for_endpoint()
            system_prompt = generation.edit_system_prompt(project)
            if endpoint is not None:
                generation.offer_start(project, endpoint, system_prompt)
        with bring:
            generation.import_answers(project)
    generation.show_answers(project)


page()
