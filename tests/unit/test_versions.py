"""Two releases side by side: what came, what went, what turned round, and how sure people were."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.errors import ExportError
from pipeline.versions import compare, preferences


def frame(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["pair_id", "chosen", "rejected", "agreement"])
    return table.assign(prompt="prompt of " + table["pair_id"])


def test_added_removed_flipped_and_kept_rows_are_told_apart():
    before = frame(("p1", "a", "b", 1.0), ("p2", "a", "b", 0.5), ("p3", "a", "b", 1.0))
    now = frame(("p2", "b", "a", 0.6), ("p3", "a", "b", 1.0), ("p4", "a", "b", 0.8))
    found = compare(before, now)
    assert (found.added, found.removed, found.flipped, found.kept) == (1, 1, 1, 1)
    assert found.rows[["change", "pair_id", "before", "now"]].fillna("").values.tolist() == [
        ["flipped", "p2", "a", "b"],
        ["added", "p4", "", "a"],
        ["removed", "p1", "a", ""],
    ]
    assert found.support_before.value == pytest.approx(2.5 / 3)
    assert (found.support_now.value, found.support_now.n) == (pytest.approx(0.8), 3)
    # Student's t at 2 degrees of freedom is 4.30 (4.18 in the expansion used): 0.8 +- 4.18 * 0.2 / 1.732 = 0.317 to 1.
    assert found.support_now.low == pytest.approx(0.317, abs=0.02)
    assert found.support_now.high == 1.0
    assert found.as_json()["flipped"] == 1


def test_nothing_before_and_nothing_now_are_differences_too():
    some, none = frame(("p1", "a", "b", 1.0)), frame()
    assert (compare(none, some).added, compare(some, none).removed) == (1, 1)
    assert compare(none, none).support_now.value is None
    assert compare(some, some).support_now.low is None  # one row has no interval


def write(folder: Path, kind: str, rows: list[dict]) -> Path:
    (folder / kind).mkdir(parents=True)
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), folder / kind / "train.parquet")
    manifest = {"files": [{"path": f"{kind}/train.parquet", "format": kind}, {"path": f"{kind}/train.jsonl", "format": kind}]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_preferences_are_read_from_messages_and_from_plain_text(tmp_path):
    said = [{"role": "assistant", "content": "Zuivel."}]
    rows = [{"pair_id": "p1", "prompt": said, "chosen": said, "rejected": said, "agreement": 1.0}]
    plain = [{"pair_id": "p1", "prompt": "Zuivel.", "chosen": "Zuivel.", "rejected": "Zuivel.", "agreement": 1.0}]
    for name, kind, table in (("messages", "dpo", rows), ("plain", "orpo", plain)):
        found = preferences(write(tmp_path / name, kind, table))
        assert found is not None
        assert found.to_dict("records") == [
            {"pair_id": "p1", "prompt": "Zuivel.", "chosen": "Zuivel.", "rejected": "Zuivel.", "agreement": 1.0}
        ]
    assert preferences(write(tmp_path / "kto", "kto", rows)) is None


def test_half_a_release_is_refused_with_a_way_out(tmp_path):
    with pytest.raises(ExportError, match="whole release") as refused:
        preferences(tmp_path)
    assert "export again" in refused.value.hint
    folder = write(tmp_path / "r", "dpo", [{"pair_id": "p1"}])
    (folder / "dpo" / "train.parquet").write_bytes(b"half")
    with pytest.raises(ExportError, match=r"dpo/train.parquet .* cannot be read"):
        preferences(folder)
