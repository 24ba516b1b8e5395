"""Outlook: what more votes would bring, as a reader sees it."""

import pandas as pd
import streamlit as st

from dashboard import services, widgets
from pipeline import more_votes
from pipeline.records import Project


def show_outlook(project: Project) -> None:
    """Answer in a sentence what the next votes would change, then plan by plan."""
    st.subheader("What would more votes change?", anchor=False)
    found = services.outlook(project.name)
    if found.why:
        st.write(widgets.plain(f"That cannot be told yet. {found.why}"))
        return
    st.info(widgets.plain(more_votes.sentence(found)))
    widgets.table(in_words(found.plans), key="outlook", name="more-votes")
    st.caption(
        "Expected from the votes so far, if later ones are like them. Checked on three published sets: what was expected "
        "of the first votes came true within a quarter for the interval, and within a third for the flips."
    )


def in_words(plans: pd.DataFrame) -> pd.DataFrame:
    """Return the plans of an Outlook as a reader sees them."""
    return pd.DataFrame(
        {
            "plan": [
                more_votes.name_plan(int(each), int(extra)) for each, extra in plans[["more_each", "more_pairs"]].to_numpy()
            ],
            "votes to cast": plans["votes"],
            "alpha is known to within ±": (plans["width"] / 2).round(3),
            "pairs with another outcome": plans["flips"].round(0),
            "at least": plans["flips_low"].round(0),
            "at most": plans["flips_high"].round(0),
            "pairs with a majority (%)": (100 * plans["decided_share"]).round(0),
        }
    )
