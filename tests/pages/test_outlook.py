"""What more votes would change, and agreement by language, on the Agreement page."""

import pytest

from tests.pages.judging import add_project, open_page, shown, workspace_of
from tests.pages.test_agreement import look_at, table_with


@pytest.fixture
def studio(tmp_path):
    with workspace_of(tmp_path / "workspace") as opened:
        yield opened


def test_agreement_says_what_more_votes_would_change(studio):
    add_project(studio, *["hh", "mm"] * 15, *["hm"] * 10)
    app = look_at(open_page("agreement"), "More votes")
    assert "1 more vote on each pair (40 votes) would bring it to" in shown(app)
    plans = table_with(app, "votes to cast")
    assert plans["plan"].tolist()[:2] == ["as it is", "1 more vote on each pair"]
    # 80 votes on 40 pairs now: half as many pairs again, with two votes each, are 40 votes.
    assert plans.set_index("plan")["votes to cast"]["20 more pairs, with as many votes each"] == 40


def test_agreement_says_why_it_cannot_look_ahead_yet(studio):
    add_project(studio, "hh", "hm")
    assert "That cannot be told yet. It takes 20 pairs" in shown(look_at(open_page("agreement"), "More votes"))


def test_agreement_compares_languages_over_all_projects(studio):
    add_project(studio, *["hhh"] * 10, *["hhm"] * 10)
    app = look_at(open_page("agreement"), "Parts of the data")
    app.selectbox(key="segment-dimension").set_value("language").run()
    assert table_with(app, "segment")["segment"].tolist() == ["Dutch"]
