"""The card: honest, readable by the Hub, and deaf to what outside text tries."""

import json

import pandas as pd
import pytest
import yaml
from huggingface_hub import DatasetCard

from pipeline.card import CardFacts, card
from pipeline.health import examine
from pipeline.licences import RELEASE, SOURCE, compose
from pipeline.markdown import block, inline
from pipeline.recipes import Recipe, command
from pipeline.records import Project
from pipeline.shapes import Format

SPLITS = {"dpo": {"train": 900, "test": 100}, "votes": {"train": 3000}}
COUNTS = {"pairs": 1200, "votes": 3600, "skipped": 40, "annotators": 7, "prompts": 1000, "preferences": 1000}
AGREEMENT = {
    "votes": 3600,
    "pairs": 1200,
    "annotators": 7,
    "coefficients": {
        "percent": {"value": 0.725, "low": 0.7, "high": 0.75, "n": 1200, "why": ""},
        "krippendorff_nominal": {
            "value": 0.157,
            "low": 0.1,
            "high": 0.21,
            "wide_low": 0.05,
            "wide_high": 0.3,
            "n": 1200,
            "why": "",
        },
        "gwet_ac1": {"value": None, "low": None, "high": None, "n": 0, "why": "no pair has two votes"},
    },
}


def project(**changes: object) -> Project:
    values = {"name": "dutch-1", "language": "Dutch", "code": "nld", "source": "hub", "revision": "f9ea045"}
    return Project(**values | changes)


def facts(**changes: object) -> CardFacts:
    terms = compose(project(), models=[], answers={})
    return CardFacts(**{"splits": SPLITS, "counts": COUNTS, "terms": terms} | changes)


def head(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


def test_the_head_is_what_the_hub_reads():
    data = DatasetCard(card(project(), facts())).data.to_dict()
    assert data["language"] == ["nl"]
    assert data["license"] == "apache-2.0"
    assert data["size_categories"] == ["1K<n<10K"]
    assert data["tags"] == ["dpo", "preference", "human-feedback", "trl", "aya"]
    assert data["annotations_creators"] == ["crowdsourced"]
    assert data["language_creators"] == ["crowdsourced"]
    assert data["source_datasets"] == ["CohereForAI/aya_dataset"]
    assert data["configs"][0] == {
        "config_name": "dpo",
        "default": True,
        "data_files": [{"split": "train", "path": "dpo/train.parquet"}, {"split": "test", "path": "dpo/test.parquet"}],
    }


@pytest.mark.parametrize("source", ["/home/ana/vragen.csv", "C:\\Users\\ana\\vragen.csv"])
def test_rows_of_a_file_are_not_called_aya_and_their_licence_is_for_the_publisher_to_state(source):
    asked = compose(project(source=source), models=[], answers={})
    text = card(project(source=source), facts(terms=asked))
    assert head(text)["license"] == "other"
    assert "aya" not in head(text)["tags"]
    assert head(text)["source_datasets"] == ["original"]
    assert "Whoever publishes this release must answer these questions first" in text
    assert "ana" not in text.replace("creators", "")
    answered = compose(project(source=source), models=[], answers={SOURCE: "cc-by-4.0", RELEASE: "cc-by-4.0"})
    text = card(project(source=source), facts(terms=answered))
    assert head(text)["license"] == "cc-by-4.0"
    assert "must answer" not in text


def test_texts_are_shown_by_version_and_none_where_no_row_names_one():
    text = card(project(), facts(guidelines={"aa11": "Wees eerlijk."}, system_prompts={"bb22": "Kort.", "cc33": "Lang."}))
    assert [line for line in text.splitlines() if line.startswith("### ")] == [
        "### Guidelines for annotators, version aa11",
        "### System prompt of the models, version bb22",
        "### System prompt of the models, version cc33",
    ]
    assert "### " not in card(project(), facts())


@pytest.mark.parametrize(("rows", "size"), [(999, "n<1K"), (1000, "1K<n<10K"), (10_000, "10K<n<100K"), (5_000_000, "1M<n<10M")])
def test_the_size_category_counts_the_rows_of_the_first_format(rows, size):
    assert head(card(project(), facts(splits={"dpo": {"train": rows}})))["size_categories"] == [size]


def test_a_language_without_a_two_letter_code_keeps_its_three_letters():
    assert head(card(project(language="Filipino", code="fil"), facts()))["language"] == ["fil"]
    assert head(card(project(language="A language of ours", code="qaa"), facts()))["language"] == ["qaa"]


def test_numbers_stand_with_their_n_and_interval_and_an_undefined_one_says_why():
    text = card(project(), facts(agreement=AGREEMENT))
    assert "| Krippendorff's alpha | 0.157 | 0.100 to 0.210 | 0.050 to 0.300 | 1,200 |  |" in text
    assert "| Gwet's AC1 | not defined | none | none | 0 | no pair has two votes |" in text
    assert "Agreement was not measured." in card(project(), facts())


def test_left_out_pairs_and_chosen_sources_are_counted_in_words():
    text = card(
        project(),
        facts(
            excluded={"tie": 5, "odd": 2},
            reasons={"tie": "both responses are equally good", "same_answer": "there already"},
            excluded_by_format={"sft": {"same_answer": 3}},
            chosen_by_source={"human": 600, "org/model_x": 400},
        ),
    )
    assert "| both responses are equally good | 5 |" in text
    assert "| odd | 2 |" in text
    assert "| sft | there already | 3 |" in text
    assert "| a person | 600 |" in text
    assert r"| org/model\_x | 400 |" in text


def test_a_demonstration_says_that_it_is_not_aya():
    text = card(project(is_demonstration=True, source="sample"), facts())
    assert "This is a demonstration, not Aya data" in text
    assert "aya" not in head(text)["tags"]
    assert "not Aya data" not in card(project(), facts())


def test_a_project_name_cannot_write_the_head_or_the_page():
    name = 'x"\nlicense: mit\n---\n# <script>alert(1)</script> [click](http://evil.example) | a'
    text = card(project(name=name), facts())
    assert head(text)["license"] == "apache-2.0"
    assert head(text)["pretty_name"] == " ".join(name.split())
    body = text.split("---\n", 2)[2]
    assert "<script>" not in body.replace(r"\<script\>", "")
    assert "[click](" not in body


def test_guidelines_cannot_break_out_of_their_block():
    guidelines = "Choose well.\n```\n# Injected\n````\n---\n"
    text = card(project(), facts(guidelines={"v1": guidelines}))
    assert block(guidelines) in text
    # The longest run of backticks inside is four, so the fence has five.
    assert block(guidelines).startswith("`````text\n")
    assert block(guidelines).endswith("\n`````")


def test_text_from_outside_stays_one_line_of_plain_text():
    assert inline("a\nb | *c*") == r"a b \| \*c\*"
    assert inline("www.evil.example") == r"www\.evil.example"


def test_naughty_names_never_break_the_head(real_data):
    for name in json.loads((real_data / "blns.json").read_text(encoding="utf-8")):
        text = card(project(name=name), facts())
        # Characters that YAML cannot hold are written as escapes, and come back.
        assert head(text)["pretty_name"] == " ".join(name.split())
        assert DatasetCard(text).data.to_dict()["license"] == "apache-2.0"


def test_how_to_train_gives_commands_reasons_and_what_came_of_trying_it():
    smoothing = ("label_smoothing", 0.12, "12.0% of the votes were for the rejected answer.")
    chosen = Recipe(kind=Format.DPO, path="recipes/dpo.yaml", command="x", settings=(("output_dir", "y", ""), smoothing))
    tried = {"trainers": {"dpo": {"rows": 64, "steps": 5, "losses": [0.693, 0.69, 0.5]}}, "versions": {"trl": "1.16.0"}}
    commands = {kind: command(kind) for kind in ("dpo", "orpo")}
    text = card(project(), facts(commands=commands, recipes=[chosen], training_check=tried))
    assert '```sh\ntrl dpo --config recipes/dpo.yaml --dataset_name "$PWD"\npython recipes/train_orpo.py' in text
    assert "| dpo | `label_smoothing` | 0.12 | 12.0% of the votes were for the rejected answer. |" in text
    assert "output_dir" not in text  # it needs no reason
    assert "under trl 1.16.0" in text
    assert "| dpo | 64 | 5 | 0.693 | 0.500 |" in text
    assert "## How to train" not in card(project(), facts())


def test_the_head_names_the_tools_and_the_machines_that_took_part():
    made = head(card(project(), facts(models=["m"], tools=["distilabel", "argilla"], decided_by_judges=3)))
    assert made["tags"] == ["dpo", "preference", "human-feedback", "trl", "distilabel", "argilla", "aya"]
    assert made["language_creators"] == ["crowdsourced", "machine-generated"]
    assert made["annotations_creators"] == ["crowdsourced", "machine-generated"]
    assert "decided 3 of the preferences" in card(project(), facts(decided_by_judges=3))


def test_an_alpha_is_said_to_be_good_for_what_its_author_says():
    text = card(project(), facts(agreement=AGREEMENT))
    # Its interval begins at .100.
    assert "(0.100) is below 0.667: single choices are uncertain" in text
    inside = {"coefficients": {"percent": {"value": 0.9, "low": 0.85, "high": 0.95, "n": 900, "why": ""}}}
    text = card(project(), facts(agreement=AGREEMENT, agreement_inside=inside))
    assert "| Same choice (share of annotator pairs) | 0.900 | 0.850 to 0.950 | none | 900 |  |" in text
    assert "inside this release alone" in text


def test_the_health_report_stands_in_the_card_with_its_concerns_first():
    columns = ["prompt", "chosen", "rejected", "chosen_source", "rejected_source", "agreement"]
    rows = pd.DataFrame([("v", "langer dan", "kort", "human", "org/model_x", 1.0)] * 9, columns=columns)
    text = card(project(), facts(health=examine(rows)))
    assert "**Read before training:**" in text
    # Nine of nine: Wilson's interval begins at 9 / (9 + 3.84) = .701.
    assert "| The longer answer was chosen \\(rows whose answers differ in length\\) | 100.0 % | 70.1 % to 100.0 % | 9 |" in text
    assert "| org/model\\_x | 0.0 % | 0.0 % to 29.9 % | 9 |" in text
    assert "## Whose response was chosen" not in text
    assert "fit to train" not in card(project(), facts())


def test_terms_of_models_and_answers_are_printed_as_text():
    answers = {"model:gpt-4o": "A letter [of 3 May](http://x.example) allows it.", RELEASE: "other"}
    terms = compose(project(), models=["gpt-4o"], answers=answers)
    text = card(project(), facts(terms=terms, models=["gpt-4o"]))
    assert "Output may not be used to develop models that compete with OpenAI." in text
    assert "as known in 2025-01" in text
    assert r"A letter \[of 3 May\]" in text
    assert "goes out under **other**" in text


def test_aya_is_cited_where_its_rows_are():
    assert "2402.06619" in card(project(), facts())
    assert "2402.06619" not in card(project(source="x.csv"), facts())
