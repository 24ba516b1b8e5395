import pytest

from tests.pages.judging import add_project, open_page, shown, workspace_of


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
    assert set(metrics(app).values()) == {"1.00"}
    # All 40 pairs agree: at 97.5 % at least 0.025^(1/40) = 0.91 of all pairs do.
    assert "0.91 to 1.00 (95 %); 40 pairs" in shown(app)


def test_agreement_warns_where_chance_could_explain_the_votes(studio):
    add_project(studio, *["hh", "hm", "mh", "mm"] * 10)
    app = open_page("agreement")
    assert "chance alone could explain" in app.error[0].value
    assert "Where do people differ?" in shown(app)


def test_agreement_explains_why_alpha_is_low_when_one_choice_dominates(studio):
    add_project(studio, *["tt"] * 45, *["th"] * 5)
    app = open_page("agreement")
    assert "95% of all votes say tie" in shown(app)


def test_agreement_lists_who_agrees_with_whom_and_the_contested_pairs(studio):
    add_project(studio, *["hhh"] * 10, *["hhm"] * 10)
    app = open_page("agreement")
    tables = [table.value for table in app.dataframe]
    people = next(table for table in tables if "pairs in common" in table.columns)
    assert people["same choice (%)"].tolist() == [100.0, 50.0, 50.0]
    contested = next(table for table in tables if "two votes alike (%)" in table.columns)
    assert len(contested) == 10


def test_agreement_with_one_vote_a_pair_says_what_is_missing(studio):
    add_project(studio, "h", "m", "h")
    app = open_page("agreement")
    assert "Too early to say: 0 pairs have two votes or more" in shown(app)
    assert set(metrics(app).values()) == {"–"}
    assert "No two people have voted on the same pair yet." in shown(app)


def test_agreement_without_votes_offers_the_voting_page(studio):
    add_project(studio, n_pairs=3)
    app = open_page("agreement")
    assert [button.label for button in app.button] == ["Open the voting page"]
