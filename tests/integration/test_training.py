"""Real studies through the whole path, from votes to five steps of real training."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ExportError
from pipeline.loader_check import run_trl
from tests.studies import Line, oasst_ranked, pandalm, write_study
from tests.terminal import studio

pytestmark = [pytest.mark.trl, pytest.mark.timeout(1200)]
USUAL_PLACE = Path.home() / ".cache" / "aya-preference-studio" / "trl" / "bin" / "python"


@pytest.fixture(scope="module")
def trl() -> str:
    """The Python that has TRL."""
    python = os.environ.get("STUDIO_TRL_PYTHON", "")
    if not python:
        # Minutes of training are no part of the default run, even where TRL is installed.
        pytest.skip(f"TRAINING NOT TESTED: run `make trl` (over 5 GB), then set STUDIO_TRL_PYTHON={USUAL_PLACE}")
    return python


def export(tmp_path: Path, trl: str, lines: list[Line], *options: object, min_votes: int) -> tuple[dict[str, Any], Path]:
    """Bring a study in, curate it and export it, trying every recipe on the way."""
    workspace, out = tmp_path / "workspace", tmp_path / "release"
    taken = studio(workspace, "import-votes", "study", write_study(tmp_path / "s.jsonl", lines), "--language", "English")
    assert taken.code == 0, taken.messages
    assert studio(workspace, "curate", "study", "--min-votes", min_votes).code == 0
    made = studio(workspace, "export", "study", "--format", "all", "--out", out, *options, timeout_s=1000, STUDIO_TRL_PYTHON=trl)
    assert made.code == 0, made.messages
    return made.answer, out


@pytest.mark.parametrize(("study", "min_votes"), [(oasst_ranked, 1), (pandalm, 3)])
def test_a_real_study_trains_dpo_orpo_and_kto_by_the_recipes_of_its_release(study, min_votes, trl, real_data, tmp_path):
    answer, out = export(tmp_path, trl, study(real_data), "--try-training", min_votes=min_votes)
    tried = json.loads((out / "training_check.json").read_text(encoding="utf-8"))
    assert set(tried["trainers"]) == {"dpo", "orpo", "kto"}
    assert all(one["steps"] == len(one["losses"]) == 5 for one in tried["trainers"].values())
    assert tried["versions"]["trl"].startswith("1.16.")
    # A model that knows nothing gives both sides the same odds: the loss of DPO begins at -ln(1/2) = .693. With label
    # smoothing e, robust DPO has (1 - e) x - e x over 1 - 2 e, which is the same.
    assert tried["trainers"]["dpo"]["losses"][0] == pytest.approx(0.693, abs=0.002)
    # And every row of every configuration went through TRL's own functions before the folder had its name.
    again = run_trl(trl, "functions", out, "dpo", "orpo", "kto", "reward", "sft")
    rows = {
        kind: sum(f["rows"] for f in answer["files"] if f["format"] == kind and f["path"].endswith("parquet"))
        for kind in again["rows"]
    }
    assert again["rows"] == rows


@pytest.mark.parametrize("layout", ["implicit", "text"])
def test_the_other_layouts_train_too_and_the_release_can_be_made_again(layout, trl, real_data, tmp_path):
    _, out = export(tmp_path, trl, oasst_ranked(real_data)[:60], "--try-training", "--layout", layout, min_votes=1)
    tried = out / "training_check.json"
    assert set(json.loads(tried.read_bytes())["trainers"]) == {"dpo", "orpo", "kto"}
    assert "**Tried** before it was written" in (out / "README.md").read_text(encoding="utf-8")
    made = studio(tmp_path / "workspace", "remake", "study", "latest").answer
    assert (made["is_the_same"], made["files_as_written"]) == (True, True)
    # What was tried then is kept beside the votes, and not taken from the folder.
    tried.unlink()
    made = studio(tmp_path / "workspace", "remake", "study", "latest").answer
    assert (made["is_the_same"], made["files_as_written"]) == (True, False)


def test_trl_that_cannot_be_run_is_told(tmp_path):
    with pytest.raises(ExportError, match="TRL could not be run") as refused:
        run_trl(str(tmp_path / "nowhere"), "functions", tmp_path, "dpo")
    assert "STUDIO_TRL_PYTHON" in refused.value.hint


def test_a_configuration_that_is_not_there_is_refused_by_trl(trl, tmp_path):
    with pytest.raises(ExportError, match="TRL refuses the release"):
        run_trl(trl, "functions", tmp_path, "dpo")
