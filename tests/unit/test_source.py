"""Can the rows of a file be used, are they kept byte for byte, and does a bad file say what to do?"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline import demonstration
from pipeline.adapters import parquet
from pipeline.errors import SourceError
from pipeline.source import COLUMNS, Source

ROW = {
    "inputs": "Wat is kaas?",
    "targets": "Een zuivelproduct.",
    "language": "Dutch",
    "language_code": "nld",
    "annotation_type": "original-annotations",
    "user_id": "u1",
}


def write_parquet(rows: list[dict[str, str]], path: Path) -> None:
    pa.parquet.write_table(pa.Table.from_pylist(rows), path)


def write_csv(rows: list[dict[str, str]], path: Path) -> None:
    pd.DataFrame(rows).to_csv(path, index=False, lineterminator="\n")


def write_jsonl(rows: list[dict[str, str]], path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


KINDS = {".parquet": write_parquet, ".csv": write_csv, ".jsonl": write_jsonl}
Open = Callable[[Path], Source]


@pytest.fixture
def opened(workspace: Path) -> Open:
    return lambda path: parquet.open_source(str(path), workspace=workspace)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_read_sorted_by_language_and_in_its_own_order(kind: str, tmp_path: Path, opened: Open):
    rows = [
        ROW | {"inputs": f"prompt {i}", "language": "Dutch" if i % 2 else "Turkish", "language_code": "nld" if i % 2 else "tur"}
        for i in range(6)
    ]
    KINDS[kind](rows, tmp_path / f"rows{kind}")
    source = opened(tmp_path / f"rows{kind}")
    frame = parquet.language_rows(source, "Dutch")
    assert list(frame["inputs"]) == ["prompt 1", "prompt 3", "prompt 5"]
    assert list(frame.columns) == [*COLUMNS, "problem"]
    assert not source.is_demonstration


@pytest.mark.parametrize("kind", KINDS)
def test_the_naughty_strings_come_through_byte_for_byte(kind: str, tmp_path: Path, opened: Open, real_data: Path):
    strings = [
        *json.loads((real_data / "blns.json").read_text(encoding="utf-8")),
        "line\r\nbreaks\rand\u2028others\x85",
        '"quoted", with; commas\tand tabs',
        "a NUL \x00 inside",
        "مرحبا \u202eabc\u202c",
        "🏳️‍🌈 e\u0301",
        "NULL",
        "NA",
        "",
    ]
    KINDS[kind]([ROW | {"inputs": text, "targets": text} for text in strings], tmp_path / f"rows{kind}")
    frame = parquet.language_rows(opened(tmp_path / f"rows{kind}"), "Dutch")
    assert [text.encode() for text in frame["inputs"]] == [text.encode() for text in strings]
    assert list(frame["targets"]) == strings


def test_a_second_opening_finds_the_rows_and_a_changed_file_is_another_revision(tmp_path: Path, opened: Open):
    write_jsonl([ROW], tmp_path / "rows.jsonl")
    first, again = opened(tmp_path / "rows.jsonl"), opened(tmp_path / "rows.jsonl")
    assert first == again
    write_jsonl([ROW, ROW | {"inputs": "another"}], tmp_path / "rows.jsonl")
    changed = opened(tmp_path / "rows.jsonl")
    assert changed.revision != first.revision
    assert len(parquet.language_rows(first, "Dutch")) == 1  # the project made from it still finds its rows
    assert len(parquet.language_rows(changed, "Dutch")) == 2


def test_only_prompt_answer_and_language_are_needed(tmp_path: Path, opened: Open):
    write_jsonl([{"inputs": "p", "targets": "t", "language": "Dutch", "extra": 1}], tmp_path / "rows.jsonl")  # type: ignore[dict-item]
    row = parquet.language_rows(opened(tmp_path / "rows.jsonl"), "Dutch").iloc[0]
    assert (row["language_code"], row["annotation_type"], row["user_id"]) == ("nld", "", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_column_is_named_with_those_that_are_there(kind: str, tmp_path: Path, opened: Open):
    KINDS[kind]([{"prompt": "p", "targets": "t", "lang": "Dutch"}], tmp_path / f"rows{kind}")
    with pytest.raises(SourceError, match=r"no column inputs, language\. It has: prompt, targets, lang"):
        opened(tmp_path / f"rows{kind}")


def test_a_csv_with_semicolons_and_a_byte_order_mark_is_read(tmp_path: Path, opened: Open):
    (tmp_path / "rows.csv").write_bytes(b"\xef\xbb\xbfinputs;targets;language\np,1;t;Dutch\n")
    assert list(parquet.language_rows(opened(tmp_path / "rows.csv"), "Dutch")["inputs"]) == ["p,1"]


def test_what_is_not_text_is_kept_and_marked_and_never_stops_the_file(tmp_path: Path, opened: Open):
    lines = [
        b'{"inputs": "half \\ud83d", "targets": "t", "language": "Dutch"}',
        b'{"inputs": ["a", 1], "targets": "t", "language": "Dutch"}',
        b'{"inputs": "caf\xe9", "targets": "t", "language": "Dutch"}',
        b'{"inputs": null, "targets": "t", "language": "Dutch"}',
        b'{"inputs": "whole \\ud83d\\ude00", "targets": "t", "language": "Dutch"}',
    ]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    frame = parquet.language_rows(opened(tmp_path / "rows.jsonl"), "Dutch")
    assert list(frame["inputs"]) == ["half \\ud83d", "['a', 1]", "caf\\udce9", "", "whole 😀"]
    assert list(frame["problem"] != "") == [True, True, True, False, False]
    assert frame["problem"][1] == "inputs holds list, not text"


def test_text_that_is_not_utf8_in_a_parquet_file_is_marked(tmp_path: Path, opened: Open):
    broken = pa.array([b"caf\xe9", "café".encode()]).view(pa.string())
    table = pa.table({"inputs": broken, "targets": ["t", "t"], "language": ["Dutch", "Dutch"], "user_id": [1, 2]})
    pa.parquet.write_table(table, tmp_path / "rows.parquet")
    frame = parquet.language_rows(opened(tmp_path / "rows.parquet"), "Dutch")
    assert list(frame["inputs"]) == ["caf\\udce9", "café"]
    assert list(frame["problem"] != "") == [True, False]
    assert list(frame["user_id"]) == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.parquet", b"", "holds no rows"),
        ("rows.jsonl", b"\n\n", "holds no rows"),
        ("rows.csv", b"inputs,targets,language\n", "holds no rows"),
        ("rows.parquet", b"PAR1 and then nothing", "cannot be read as PARQUET"),
        ("rows.csv", b'inputs,targets,language\n"never closed,t,Dutch\n', "cannot be read as CSV|holds no rows"),
        ("rows.csv", b"inputs,targets,language\na,b\n", "cannot be read as CSV"),
        ("rows.csv", b"inputs,targets,language\ncaf\xe9,t,Dutch\n", "not written in UTF-8"),
        ("rows.csv", b"inputs,targets,language\n" + b"a,t,Dutch\n" * 9000 + b"caf\xe9,t,Dutch\n", "not written in UTF-8"),
        ("rows.csv", b"\xff\xfei\x00n\x00p\x00", "not written in UTF-8"),
        ("rows.csv", b"inputs,inputs,targets,language\na,b,c,d\n", "inputs more than once"),
        ("rows.jsonl", b'{"inputs": "p", "targets": "t", "language": "Dutch"}\n{"inputs": "p', "line 2, is not JSON"),
        ("rows.jsonl", b"[1, 2]\n", "line 1, is not a JSON object"),
        ("rows.xlsx", b"PK", "of a kind that cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    name: str, content: bytes, message: str, tmp_path: Path, workspace: Path, opened: Open
):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        opened(tmp_path / name)
    assert list((workspace / "sources").glob("*.parquet")) == []


def test_a_file_of_no_text_at_all_is_refused(tmp_path: Path, opened: Open):
    pa.parquet.write_table(pa.table({"inputs": [1.5], "targets": ["t"], "language": ["Dutch"]}), tmp_path / "rows.parquet")
    with pytest.raises(SourceError, match="column inputs, holds double, not text"):
        opened(tmp_path / "rows.parquet")


def test_a_folder_and_a_missing_file_say_what_to_give_instead(tmp_path: Path, opened: Open):
    with pytest.raises(SourceError, match="is a folder"):
        opened(tmp_path)
    with pytest.raises(SourceError, match="There is no file") as refused:
        opened(tmp_path / "nothing.csv")
    assert "sample" in refused.value.hint


def test_a_language_the_source_does_not_hold_is_refused_with_names(tmp_path: Path, opened: Open):
    write_jsonl([ROW, ROW | {"language": "Hebrew", "language_code": "heb"}], tmp_path / "rows.jsonl")
    source = opened(tmp_path / "rows.jsonl")
    with pytest.raises(SourceError) as refused:
        parquet.language_rows(source, "dutch")
    assert refused.value.hint == "Use the name Dutch."
    assert parquet.language_in(source, "heb").name == "Hebrew"
    with pytest.raises(SourceError, match="no language “Turkish”"):
        parquet.language_rows(source, "Turkish")


def test_the_summary_counts_what_the_rows_hold(tmp_path: Path, opened: Open):
    rows = [
        ROW,
        ROW | {"inputs": "Hé?", "targets": "🙂", "user_id": "u2", "annotation_type": "re-annotations"},
        ROW | {"language": "Urdu", "language_code": "urd"},
    ]
    write_jsonl(rows, tmp_path / "rows.jsonl")
    frame = parquet.summary(opened(tmp_path / "rows.jsonl")).set_index("language")
    assert list(frame.index) == ["Dutch", "Urdu"]
    dutch = frame.loc["Dutch"]
    assert (dutch["rows"], dutch["contributors"], dutch["original"], dutch["re_annotated"]) == (2, 2, 1, 1)
    # "Wat is kaas?" has 12 characters and "Hé?" has 3: 7.5 on average. "Een zuivelproduct." has 18, one emoji 1: 9.5.
    assert (dutch["prompt_chars_mean"], dutch["prompt_chars_max"]) == (7.5, 12)
    assert (dutch["answer_chars_mean"], dutch["answer_chars_max"]) == (9.5, 18)
    assert (frame.loc["Urdu", "direction"], frame.loc["Urdu", "how"]) == ("rtl", "counted")


def test_contributors_are_unknown_where_the_file_does_not_name_them(tmp_path: Path, opened: Open):
    write_jsonl([{"inputs": "p", "targets": "t", "language": "Dutch"}], tmp_path / "rows.jsonl")
    row = parquet.summary(opened(tmp_path / "rows.jsonl")).iloc[0]
    assert row[["contributors", "original", "re_annotated"]].isna().all()


def test_both_kinds_of_chinese_stay_apart(tmp_path: Path, opened: Open):
    rows = [ROW | {"language": f"{kind} Chinese", "language_code": "zho"} for kind in ("Simplified", "Traditional")]
    write_jsonl(rows, tmp_path / "rows.jsonl")
    source = opened(tmp_path / "rows.jsonl")
    assert len(parquet.language_rows(source, "Traditional Chinese")) == 1
    with pytest.raises(SourceError, match="means 2 languages"):
        parquet.language_in(source, "zho")


def test_the_sample_is_a_demonstration_and_holds_its_rows(workspace: Path):
    source = parquet.open_source("sample", workspace=workspace)
    assert source.is_demonstration
    assert source == parquet.open_source("sample", workspace=workspace)
    assert parquet.summary(source)["rows"].sum() == len(demonstration.rows())


def test_a_workspace_whose_name_holds_wildcards_and_quotes_works(tmp_path: Path):
    write_jsonl([ROW], tmp_path / "rows.jsonl")
    source = parquet.open_source(str(tmp_path / "rows.jsonl"), workspace=tmp_path / "Ana's [aya] *?")
    assert len(parquet.language_rows(source, "Dutch")) == 1


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path, workspace: Path, opened: Open):
    (workspace / "sources" / ".making-left").mkdir(parents=True)
    write_jsonl([ROW], tmp_path / "rows.jsonl")
    opened(tmp_path / "rows.jsonl")
    assert [path.name for path in (workspace / "sources").glob(".making-*")] == []


def test_a_full_disk_is_said_and_leaves_nothing_half_written(tmp_path: Path, workspace: Path):
    # A process that may write files of 20 kB at most meets the same error as one on a full disk.
    write_jsonl([ROW | {"inputs": f"{i} {hash(str(i))}"} for i in range(5_000)], tmp_path / "rows.jsonl")
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom pipeline.adapters import parquet\n"
        "from pipeline.errors import SourceError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try: parquet.open_source(sys.argv[1], workspace=Path(sys.argv[2]))\n"
        "except SourceError as error: print(error.message, '|', error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "rows.jsonl"), str(workspace)], capture_output=True, text=True, timeout=60
    )
    assert "cannot be written" in done.stdout, done.stderr
    assert "free space" in done.stdout
    assert list((workspace / "sources").glob("*.parquet")) == []


def test_a_damaged_file_in_the_workspace_says_what_to_delete(tmp_path: Path, opened: Open):
    write_jsonl([ROW], tmp_path / "rows.jsonl")
    source = opened(tmp_path / "rows.jsonl")
    source.path.write_bytes(b"PAR1")
    with pytest.raises(SourceError, match="cannot be read") as refused:
        parquet.language_rows(source, "Dutch")
    assert "Delete that file" in refused.value.hint
