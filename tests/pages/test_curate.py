import pytest

from pipeline.curate import Rules
from pipeline.records import Choice
from tests.pages.judging import HOSTILE, NAME, add_project, open_page, shown, workspace_of


@pytest.fixture
def studio(tmp_path):
    with workspace_of(tmp_path / "workspace") as opened:
        yield opened


def outcome(app):
    return next(metric.value for metric in app.metric)


def test_curate_shows_what_the_rules_keep_and_every_reason(studio):
    add_project(studio, "hhh", "mm", "h", "hm", "tt", "bb", "...")
    app = open_page("curate")
    assert app.title[0].value == "Which pairs go into the dataset?"
    assert outcome(app) == "2 of 7"
    reasons = app.selectbox(key=f"reason-{NAME}")
    assert len(reasons.options) == 5
    assert "nobody has voted yet (1)" in reasons.options


def test_curate_answers_at_once_to_a_changed_rule_and_saves_on_request(studio):
    add_project(studio, "hhh", "mm", "h", "tt")
    app = open_page("curate")
    assert outcome(app) == "2 of 4"
    app.number_input(key=f"votes-{NAME}").set_value(1).run()
    assert outcome(app) == "3 of 4"
    app.radio(key=f"ties-{NAME}").set_value("human").run()
    assert outcome(app) == "4 of 4"
    assert studio.store.project(NAME).rules == {}
    next(button for button in app.button if button.label == "Save these rules").click().run()
    assert not app.exception
    assert studio.store.project(NAME).rules["min_votes"] == 1
    assert studio.store.project(NAME).rules["ties"] == "human"
    assert "These rules are saved" in shown(app)


def test_curate_opens_the_pairs_of_a_reason(studio):
    add_project(studio, "hhh", "hm", "tt", "tm")
    app = open_page("curate")
    app.selectbox(key=f"reason-{NAME}").set_value("no_consensus").run()
    table = next(table.value for table in app.dataframe if "detail" in table.value.columns)
    assert table["prompt"].tolist() == [f"{HOSTILE} 1", f"{HOSTILE} 3"]
    assert table["detail"].tolist() == ["2 votes, the most frequent choice has 50%"] * 2


def test_curate_offers_dawid_skene_with_advice(studio):
    add_project(studio, *["hhh", "mmm"] * 5)
    app = open_page("curate")
    assert "Stay with the majority" in shown(app)
    app.radio(key=f"method-{NAME}").set_value("dawid-skene").run()
    assert outcome(app) == "10 of 10"
    app.toggle[0].set_value(True).run()
    assert "There is none: all methods come to the same outcome" in shown(app)


def test_curate_lists_the_pairs_that_a_majority_would_decide_otherwise(studio):
    # a and b always agree, c always differs: where a and c stand alone, c's vote speaks for a.
    add_project(studio, *["hhm", "mmh"] * 15, *["h.m"] * 4)
    app = open_page("curate")
    app.radio(key=f"method-{NAME}").set_value("dawid-skene").run()
    app.toggle[0].set_value(True).run()
    listed = next(table.value for table in app.dataframe if "majority says" in table.value.columns)
    assert listed["majority says"].tolist() == ["no consensus"] * 4


def test_curate_without_preferences_says_what_to_change(studio):
    add_project(studio, "h", "m")
    app = open_page("curate")
    assert outcome(app) == "0 of 2"
    assert "Lower the least number of votes" in shown(app)


def test_curate_without_votes_offers_the_voting_page(studio):
    add_project(studio, n_pairs=2)
    app = open_page("curate")
    assert [button.label for button in app.button] == ["Open the voting page"]


def test_curate_shows_a_saved_number_larger_than_the_page_offers(studio):
    add_project(studio, "hhh", "mm")
    studio.save_rules(NAME, Rules(min_votes=120))
    app = open_page("curate")
    assert app.number_input(key=f"votes-{NAME}").value == 120


def test_curate_says_what_the_export_will_hold(studio):
    add_project(studio, "hhh", "mm", "hm")
    app = open_page("curate")
    tables = [table.value for table in app.dataframe]
    assert next(table for table in tables if "decided by" in table)["preferences"].tolist() == [2]
    assert "No preference has responses of unequal length." in shown(app)
    assert "Nothing is held out for testing yet" in shown(app)


def test_a_pair_a_reviewer_decided_is_back_in_and_says_so(studio):
    add_project(studio, "hhh", "hm")
    app = open_page("curate")
    assert outcome(app) == "1 of 2"
    assert "An opened pair can be brought back" in shown(app)
    split = studio.store.pairs(NAME)["pair_id"].iloc[1]
    studio.decisions.review(NAME, split, Choice.FIRST, reviewer="Rosa", reason="the other is in English")
    app.run()
    assert outcome(app) == "2 of 2"
    table = next(table.value for table in app.dataframe if "decided by" in table.value)
    assert table.values.tolist() == [["majority", 1], ["a reviewer", 1]]


def test_curate_shows_whether_the_confidence_can_be_believed(studio):
    add_project(studio, *["hhm"] * 30)
    app = open_page("curate")
    assert "It takes 30 pairs that a reviewer decided as well; there are 0." in shown(app)
    for place, pair_id in enumerate(studio.store.pairs(NAME)["pair_id"]):
        choice = Choice.FIRST if place < 21 else Choice.SECOND
        studio.decisions.review(NAME, pair_id, choice, reviewer="Rosa", reason="read twice")
    app.run()
    # Two of three votes are called .6875 sure (11 / 16); 21 of 30 are right, .70: 1.25 points off, shown as 1.2.
    assert "On 30 reviewed pairs, confidence was 1.2 percentage points off on average." in shown(app)


def test_curate_says_why_no_judge_fills_in(studio):
    add_project(studio, "hh", "h")
    app = open_page("curate")
    app.checkbox(key=f"judge-{NAME}").set_value(True).run()
    assert not app.exception
    assert "No judge has been measured against people yet" in shown(app)
