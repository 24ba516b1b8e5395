"""The recipes: each value comes from the data, with its reason beside it."""

import json
import re

import pandas as pd
import pytest
import yaml

from pipeline.contents import Contents, ReleaseOptions
from pipeline.recipes import command, kto_weights, measure, recipes
from pipeline.records import Project
from pipeline.shapes import Format, Layout, Split
from pipeline.splits import SplitReport

PROJECT = Project(name="kaas", language="Dutch", code="nld", source="hub", revision="r", order_key="k")


def contents(
    *, longer: float = 0.5, against: float = 0.0, votes: int = 3, wanted: int = 10, layout: str = "messages"
) -> Contents:
    """A hundred pairs, of which a share chose the longer answer, and one test pair; kto with 10 unwanted answers."""
    n = 100
    long, short = "aaaa" * 100, "aa" * 100
    pairs = pd.DataFrame({"prompt": ["x" * 100] * n, "first": long, "second": short})
    chosen = pd.DataFrame(
        {
            "place": range(n),
            "is_first": [number < longer * n for number in range(n)],
            "score_rejected": against,
            "n_votes": votes,
        }
    )
    kto = pd.DataFrame({"label": [True] * wanted + [False] * 10, "place": 0, "is_first": True})
    frames = {(Format.DPO, Split.TRAIN): chosen, (Format.ORPO, Split.TRAIN): chosen, (Format.KTO, Split.TRAIN): kto}
    return Contents(
        project=PROJECT,
        options=ReleaseOptions(layout=Layout(layout)),
        frames=frames | {(Format.DPO, Split.TEST): chosen.head(1)},
        pairs=pairs,
        split_report=SplitReport(prompts=0, repeated=0, wanted=0, held_out=0),
        excluded={},
        excluded_by_format={},
        chosen_by_source={},
        counts={},
        last_vote_at="",
    )


def settings(kind: str, **options: object) -> dict[str, object]:
    return dict(yaml.safe_load(recipes(contents(**options))[f"recipes/{kind}.yaml"]))  # type: ignore[arg-type]


def test_the_length_holds_nearly_every_row():
    # (100 + 400) bytes / 2 + 24 = 274 tokens.
    assert measure(contents()).tokens == 274
    assert settings("dpo")["max_length"] == 512


def test_disagreement_becomes_label_smoothing_of_a_loss_that_reads_it():
    assert settings("dpo", against=0.12) | {"loss_type": ["robust"], "label_smoothing": 0.12} == settings("dpo", against=0.12)
    assert "label_smoothing" not in settings("dpo", against=0.01)
    # TRL takes less than .5.
    assert settings("dpo", against=0.49)["label_smoothing"] == 0.4
    assert "not known" in recipes(contents(votes=1))["recipes/dpo.yaml"]


def test_a_length_bias_is_answered_and_chance_is_not():
    # 75 of 100: 95 % from .66 up. 55 of 100: from .45, which may be chance.
    assert settings("dpo", longer=0.75)["ld_alpha"] == 0.5
    assert "ld_alpha" not in settings("dpo", longer=0.55)
    assert "75% of 100 pairs" in recipes(contents(longer=0.75))["recipes/dpo.yaml"]


@pytest.mark.parametrize(("wanted", "unwanted"), [(10, 10), (13, 10), (10, 25), (30, 7), (1, 1000)])
def test_kto_weights_bring_the_classes_into_the_recommended_ratio(wanted, unwanted):
    of_wanted, of_unwanted = kto_weights(wanted, unwanted)
    assert 1 <= of_wanted * wanted / (of_unwanted * unwanted) <= 4 / 3
    assert min(of_wanted, of_unwanted) == 1.0


def test_kto_weights_are_one_where_a_class_is_missing():
    assert kto_weights(0, 5) == kto_weights(5, 0) == (1.0, 1.0)


def test_what_is_not_held_out_is_not_evaluated():
    assert settings("dpo")["eval_strategy"] == "epoch"
    assert settings("kto")["eval_strategy"] == "no"


def test_every_setting_taken_from_the_data_has_its_reason_in_front():
    text = recipes(contents(longer=0.75, against=0.12, wanted=30))["recipes/kto.yaml"]
    assert re.search(r"# .*30 wanted and 10 unwanted.*\ndesirable_weight: 1.0\n", text)
    assert command("kto") in text
    assert settings("kto", wanted=30)["undesirable_weight"] == pytest.approx(2.25, abs=0.01)


def test_llama_factory_finds_its_files_through_dataset_info():
    files = recipes(contents(layout="llama-factory", against=0.1))
    info = json.loads(files["dataset_info.json"])
    assert info["dpo_train"] == {
        "file_name": "dpo/train.parquet",
        "ranking": True,
        "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
    }
    assert info["kto_train"]["columns"] == {"prompt": "prompt", "response": "completion", "kto_tag": "label"}
    dpo = yaml.safe_load(files["recipes/llama-factory-dpo.yaml"])
    assert (dpo["dataset"], dpo["stage"], dpo["pref_loss"], dpo["dpo_label_smoothing"]) == ("dpo_train", "dpo", "sigmoid", 0.1)
    assert yaml.safe_load(files["recipes/llama-factory-orpo.yaml"])["pref_loss"] == "orpo"


def test_axolotl_reads_messages_and_kto_as_text():
    files = recipes(contents(layout="axolotl"))
    dpo = yaml.safe_load(files["recipes/axolotl-dpo.yaml"])
    assert dpo["datasets"][0]["path"] == "dpo/train.parquet"
    assert (dpo["rl"], dpo["datasets"][0]["field_messages"]) == ("dpo", "prompt")
    assert yaml.safe_load(files["recipes/axolotl-kto.yaml"])["datasets"][0]["type"] == "chatml.ultra"


def test_the_handbook_has_recipes_of_its_own_and_gets_none_of_ours():
    assert recipes(contents(layout="alignment-handbook")) == {}


def test_each_layout_has_the_command_of_its_program_and_formats_no_trainer_reads_have_none():
    assert command("dpo", Layout.AXOLOTL) == "axolotl train recipes/axolotl-dpo.yaml"
    assert command("kto", Layout.LLAMA_FACTORY) == "llamafactory-cli train recipes/llama-factory-kto.yaml"
    assert command("sft").startswith("trl sft --model_name_or_path ")
    assert not any((command("votes"), command("sft", Layout.AXOLOTL), command("dpo", Layout.HANDBOOK)))
