import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard import charts, opinions, tables, theme
from pipeline import adjudicate, agreement, progress
from pipeline.consensus import decide
from pipeline.curate import Rules, curate
from pipeline.resampling import Coefficient
from tests.frames import ballots, plain_pairs

VOTES = ballots("fff", "ffs", "sst", "tt", "bb", "f")
REPORT = agreement.measure(VOTES)
CURATION = curate(decide(VOTES), plain_pairs(6), Rules())


def every_figure() -> dict[str, go.Figure]:
    daily = progress.votes_per_day(VOTES)
    return {
        "funnel": charts.funnel(pd.DataFrame({"stage": ["prompts", "pairs"], "n": [12, 5]})),
        "votes_per_day": charts.votes_per_day(daily),
        "votes_in_total": charts.votes_in_total(daily, goal=30),
        "coefficients": charts.coefficients(tables.coefficients(REPORT, tables.MAIN_COEFFICIENTS)),
        "agreement_heatmap": charts.agreement_heatmap(tables.annotator_matrix(REPORT.annotator_pairs)),
        "reasons": charts.reasons(tables.outcomes(CURATION)),
    }


@pytest.mark.parametrize("name", list(every_figure()))
def test_every_chart_is_drawn_on_the_pages_own_background_and_does_not_trap_scrolling(name):
    figure = every_figure()[name]
    assert figure.layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.font.color is None
    assert figure.layout.xaxis.fixedrange
    assert figure.layout.yaxis.fixedrange
    figure.to_json()


def test_the_funnel_shows_each_stage_with_its_number_in_order():
    bars = every_figure()["funnel"].data[0]
    assert list(bars.y) == ["prompts", "pairs"]
    assert list(bars.x) == [12, 5]
    assert list(bars.text) == ["12", "5"]


def test_the_goal_stays_in_sight_before_it_is_reached():
    figure = every_figure()["votes_in_total"]
    assert figure.layout.shapes[0].y0 == 30
    assert figure.layout.yaxis.range[1] > 30


def test_intervals_reach_from_low_to_high():
    thick = every_figure()["coefficients"].data[1]
    alpha = REPORT.coefficients["krippendorff_nominal"]
    place = tables.MAIN_COEFFICIENTS.index("krippendorff_nominal")
    assert thick.x[place] + thick.error_x.array[place] == pytest.approx(alpha.high)
    assert thick.x[place] - thick.error_x.arrayminus[place] == pytest.approx(alpha.low)


def test_an_undefined_coefficient_leaves_a_gap_and_no_error():
    report = agreement.measure(ballots("ff", "ff"))
    figure = charts.coefficients(tables.coefficients(report, tables.MAIN_COEFFICIENTS))
    assert pd.isna(figure.data[1].x[1])


def test_the_heat_map_is_symmetric_and_its_diagonal_empty():
    matrix = tables.annotator_matrix(REPORT.annotator_pairs)
    assert matrix.index.tolist() == matrix.columns.tolist() == ["a", "b", "c"]
    assert matrix.loc["a", "b"] == matrix.loc["b", "a"] == pytest.approx(1.0)
    assert matrix.loc["a", "c"] == pytest.approx(1 / 3)  # of fff, ffs and sst only the first is the same
    assert matrix.to_numpy().diagonal().tolist() == pytest.approx([float("nan")] * 3, nan_ok=True)


def test_the_heat_map_keeps_those_with_most_pairs_in_common():
    together = pd.DataFrame({"a": ["x", "x", "y"], "b": ["y", "z", "z"], "n": [9, 5, 1], "percent": [1.0, 0.5, 0.0]})
    assert tables.annotator_matrix(together, at_most=2).index.tolist() == ["x", "y"]


def test_a_name_that_looks_like_markup_is_shown_as_it_is():
    together = pd.DataFrame({"a": ["<b>ana</b>"], "b": ["a & b"], "n": [3], "percent": [1.0]})
    figure = charts.agreement_heatmap(tables.annotator_matrix(together))
    assert set(figure.data[0].x) == {"&lt;b&gt;ana&lt;/b&gt;", "a &amp; b"}


def test_kept_pairs_and_reasons_add_up_to_all_pairs():
    table = tables.outcomes(CURATION)
    assert int(table["pairs"].sum()) == 6
    assert table["label"].iloc[0] == "preferences"
    bars = charts.reasons(table).data[0]
    assert bars.marker.color[0] == theme.GREEN
    assert set(bars.marker.color[1:]) == {theme.ORANGE}


def test_tables_of_nothing_have_their_columns():
    empty = agreement.measure(ballots())
    assert tables.annotator_pairs(empty.annotator_pairs).empty
    assert opinions.queue(adjudicate.queue(ballots()), plain_pairs(0)).empty
    assert tables.days(progress.votes_per_day(ballots())).empty
    assert tables.coefficients_in_words(tables.coefficients(empty))["value"].isna().all()


def test_money_shows_cents_and_fractions_of_a_cent():
    assert [tables.money(usd) for usd in (0, 0.0042, 1.5, 1234.5)] == ["$0.00", "$0.0042", "$1.50", "$1,234.50"]


def test_an_interval_in_words():
    assert tables.span(None, None) == "no interval"
    assert tables.span(0.8, 0.9) == "0.80 to 0.90 (95 %)"


def test_a_headline_says_what_is_undefined_and_names_both_intervals():
    missing = Coefficient(value=None, low=None, high=None, n=0, why="No pair has two votes.")
    assert tables.headline("gwet_ac1", missing) == ("–", "n = 0 pairs. No pair has two votes.")
    found = Coefficient(value=0.857, low=0.8, high=0.9, n=40, wide_low=0.7, wide_high=1.0)
    sure = "Other pairs: 0.80 to 0.90. Other people too: 0.70 to 1.00. n = 40 pairs."
    assert tables.headline("gwet_ac1", found) == ("0.86", sure)
    assert tables.headline("percent", found)[0] == "86%"


def test_people_are_in_the_order_of_their_numbers():
    ends = [("Person 10", "Person 2"), ("Person 2", "ana"), ("ana", "Person 10")]
    together = pd.DataFrame({"a": [a for a, _ in ends], "b": [b for _, b in ends], "n": 9, "percent": 0.5})
    assert list(tables.annotator_matrix(together).index) == ["ana", "Person 2", "Person 10"]


def test_a_name_that_a_spreadsheet_would_run_is_made_harmless_in_a_coded_column_too():
    table = pd.DataFrame({"annotator": pd.Categorical(["=1+1", "ana"])})
    assert tables.spreadsheet(table).decode("utf-8-sig").splitlines()[1] == "'=1+1"
