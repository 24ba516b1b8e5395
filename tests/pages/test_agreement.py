import pytest
from streamlit.testing.v1 import AppTest

from pipeline.records import Choice, Judgement
from tests.pages.judging import NAME, add_project, open_page, shown, workspace_of


@pytest.fixture
def studio(tmp_path):
    with workspace_of(tmp_path / "workspace") as opened:
        yield opened


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def test_agreement_answers_first_and_shows_three_coefficients_with_interval_and_n(studio):
    add_project(studio, *["hhh", "mmm"] * 20)
    app = open_page("agreement")
    assert app.title[0].value == "Can we trust the votes?"
    assert "Yes: two people make the same choice on 100% of 40 pairs" in app.success[0].value.replace("\\", "")
    assert list(metrics(app)) == ["Same choice (raw agreement)", "Krippendorff's alpha", "Gwet's AC1"]
    assert list(metrics(app).values()) == ["100%", "1.00", "1.00"]
    # All 40 pairs agree: at 97.5 % at least 0.025^(1/40) = 0.91 of all pairs do.
    assert "Other pairs: 91% to 100%." in shown(app)
    assert "n = 40 pairs." in shown(app)


def look_at(app: AppTest, tab: str) -> AppTest:
    """Open one of the page's tabs."""
    app.session_state["agreement-view"] = tab
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def table_with(app: AppTest, column: str):
    return next(table.value for table in app.dataframe if column in table.value.columns)


def test_agreement_warns_where_chance_could_explain_the_votes(studio):
    add_project(studio, *["hh", "hm", "mh", "mm"] * 10)
    app = open_page("agreement")
    assert "chance alone could explain" in app.error[0].value
    assert "Where do people differ?" in shown(look_at(app, "Contested pairs"))


def test_agreement_of_skips_alone_does_not_say_that_nobody_voted(studio):
    add_project(studio, *["kk"] * 3)
    assert "All votes are skips, so there is nothing to compare." in shown(open_page("agreement"))


def test_agreement_explains_why_alpha_is_low_when_one_choice_dominates(studio):
    add_project(studio, *["tt"] * 45, *["th"] * 5)
    app = open_page("agreement")
    assert "95% of all votes say tie" in shown(app)


def test_agreement_shows_published_figures_and_the_scale_with_its_limits(studio):
    add_project(studio, *["hhh", "mmm"] * 20)
    app = open_page("agreement")
    assert table_with(app, "published")["published"].tolist() == ["65.7 %", "81 %"]
    assert table_with(app, "published")["here"].tolist() == ["100.0 %", "100.0 %"]
    assert "The limits are a convention" in shown(app)


def test_agreement_lists_who_agrees_with_whom_under_made_up_names(studio):
    add_project(studio, *["hhh"] * 10, *["hhm"] * 10)
    app = look_at(open_page("agreement"), "People")
    people = table_with(app, "pairs in common")
    assert people["same choice (%)"].tolist() == [100.0, 50.0, 50.0]
    assert set(people["annotator"]) == {"Person 1", "Person 2"}
    app.toggle(key="show-names").set_value(True).run()
    assert set(table_with(app, "pairs in common")["annotator"]) == {"a", "b"}


def test_someone_who_always_answers_the_same_is_a_question_under_a_made_up_name(studio):
    add_project(studio, *["mmh", "hhh", "mmh"] * 8)
    app = look_at(open_page("agreement"), "People")
    assert "Person 3: 100% of 24 votes are the same answer on the screen" in shown(app).replace("**", "")
    assert "not verdicts" in shown(app)


def test_too_few_votes_are_not_called_nothing_that_stands_out(studio):
    add_project(studio, *["hh"] * 5)
    assert "Too few votes to tell" in shown(look_at(open_page("agreement"), "People"))


def test_two_names_of_one_person_are_joined_on_the_page(studio):
    add_project(studio, *["hhh"] * 10, *["hhm"] * 10)
    app = look_at(open_page("agreement"), "People")
    assert "Switch on the names above" in shown(app)
    app.toggle(key="show-names").set_value(True).run()
    next(box for box in app.selectbox if box.label == "The votes cast as").set_value("c")
    next(text for text in app.text_input if text.label == "belong to").set_value("a")
    next(button for button in app.button if button.label == "Join them").click().run()
    assert not app.exception
    assert studio.store.aliases(NAME) == {"c": "a"}
    assert studio.store.vote_counts(NAME) == {"votes": 40, "skipped": 0, "annotators": 2}
    assert len(studio.store.votes(NAME, history=True)) == 60


def test_agreement_compares_parts_of_the_data(studio):
    add_project(studio, *["hhh"] * 10, *["hhm"] * 10)
    app = look_at(open_page("agreement"), "Parts of the data")
    assert table_with(app, "segment")["pairs compared"].tolist() == [20]
    assert "There are not two parts with 30 comparable pairs or more" in shown(app)
    app.selectbox(key="segment-dimension").set_value("language").run()
    assert table_with(app, "segment")["pairs compared"].tolist() == [20]


def test_agreement_without_judgements_says_how_to_get_some(studio):
    add_project(studio, "hh")
    assert "No model has judged pairs" in shown(look_at(open_page("agreement"), "Judges"))


def add_judgements(studio, words: str) -> None:
    """The judge `j` says of each pair in turn: h, the human's; m, the model's response is better, in both orders."""
    pairs = studio.store.pairs(NAME)
    said = []
    for row, letter in zip(pairs.to_dict("records"), words, strict=True):
        choice = Choice.FIRST if (row["first_source"] == "human") == (letter == "h") else Choice.SECOND
        first = 4.0 if choice is Choice.FIRST else 2.0
        ratings = {"rating_first": first, "rating_second": 6.0 - first}
        said += [
            Judgement(pair_id=row["pair_id"], judge="j", shown_first=seat, choice=choice, **ratings)
            for seat in (row["first_id"], row["second_id"])
        ]
    studio.store.add_judgements(NAME, said)


def test_agreement_holds_a_judge_against_the_people(studio):
    add_project(studio, *["hh"] * 30, *["mm"] * 10)
    add_judgements(studio, "h" * 40)
    app = look_at(open_page("agreement"), "Judges")
    # Wilson (1927) for 30 of 40: .598 to .858.
    assert "people prefer the same one in 75% of 40 pairs; at least 60% can be counted on" in shown(app)
    assert "It should not stand in for people." in shown(app)
    assert table_with(app, "people say").iloc[:, 1].tolist() == [30, 10, 0, 0]


def contested_page(studio) -> AppTest:
    app = look_at(open_page("agreement"), "Contested pairs")
    assert not app.exception
    return app


def test_the_contested_pairs_are_one_tap_away_and_name_no_source(studio):
    add_project(studio, *["hhh"] * 3, *["hhm"] * 2, "hmt")
    table = table_with(contested_page(studio), "judge contradicts")
    assert len(table) == 3
    assert table["divided (0 to 2 bits)"].tolist() == [1.58, 0.92, 0.92]


def test_agreement_with_one_vote_a_pair_says_what_is_missing(studio):
    add_project(studio, "h", "m", "h")
    app = open_page("agreement")
    assert "Too early to say: 0 pairs have two votes or more" in shown(app)
    assert set(metrics(app).values()) == {"–"}
    assert "No two people have voted on the same pair yet." in shown(look_at(app, "People"))


@pytest.mark.parametrize("tab", ["In numbers", "Contested pairs", "People", "Parts of the data", "More votes", "Judges"])
def test_every_tab_stands_with_one_annotator(studio, tab):
    add_project(studio, "h", "k")
    look_at(open_page("agreement"), tab)


def test_agreement_without_votes_offers_the_voting_page(studio):
    add_project(studio, n_pairs=3)
    app = open_page("agreement")
    assert [button.label for button in app.button] == ["Open the voting page"]
