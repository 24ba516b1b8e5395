"""The release folder: whole or not at all, whatever happens on the way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import ExportError
from pipeline.release import UNFINISHED, clear_leftovers, flush_file, publish, same_files, unfinished_folder, zip_folder

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_published_folder_has_its_name_and_nothing_hidden_stays(tmp_path):
    with unfinished_folder(tmp_path / "releases") as folder:
        (folder / "a.txt").write_text("a")
        assert publish(folder, tmp_path / "releases" / "r1")
    assert [path.name for path in (tmp_path / "releases").iterdir()] == ["r1"]
    assert (tmp_path / "releases" / "r1" / "a.txt").read_text() == "a"


def test_a_taken_name_is_left_as_it_is(tmp_path):
    (tmp_path / "r1").mkdir()
    (tmp_path / "r1" / "mine.txt").write_text("mine")
    with unfinished_folder(tmp_path) as folder:
        (folder / "a.txt").write_text("a")
        assert not publish(folder, tmp_path / "r1")
        assert not same_files(folder, tmp_path / "r1")
    assert [path.name for path in tmp_path.rglob("*")] == ["r1", "mine.txt"]


def write_half(parent: Path) -> None:
    with unfinished_folder(parent) as folder:
        (folder / "a.txt").write_text("a")
        raise ZeroDivisionError


def test_an_error_on_the_way_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_half(tmp_path)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time
from pathlib import Path
from pipeline.release import unfinished_folder
with unfinished_folder(Path(sys.argv[1])) as folder:
    (folder / "half.txt").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_run_left_is_cleared_by_the_next_and_a_live_one_is_not(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        assert clear_leftovers(tmp_path) == 0
        assert len(list(tmp_path.glob(f"{UNFINISHED}*"))) == 1
        os.kill(writer.pid, signal.SIGKILL)
    time.sleep(0.05)
    assert len(list(tmp_path.glob(f"{UNFINISHED}*"))) == 1
    with unfinished_folder(tmp_path) as folder:
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_only_folders_of_our_naming_are_cleared(tmp_path):
    other_machine = f"{UNFINISHED}-deadbeef-1-1-aaaa"
    for name in (".unfinished-release", f"{UNFINISHED}-notes", "work", other_machine):
        (tmp_path / name).mkdir()
    (tmp_path / f"{UNFINISHED}-a-b-c-d.txt").write_text("a file")
    assert clear_leftovers(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 5


FILLING = """
import sys
from pathlib import Path
from pipeline.errors import ExportError
from pipeline.release import flush_file, unfinished_folder
if len(sys.argv) > 2:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    with unfinished_folder(Path(sys.argv[1])) as folder:
        (folder / "big").write_bytes(bytes(8_000_000))
        flush_file(folder / "big")
except ExportError as error:
    print(error.message, error.hint, [path.name for path in Path(sys.argv[1]).iterdir()], sep="|")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a small disk, as Linux lets a user do")
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    mounted = 'mount -t tmpfs -o size=2m small "$0" && exec "$@"'
    prefix = ("unshare", "-rm", "sh", "-c", mounted, str(tmp_path))
    if run("", prefix=prefix).returncode:
        pytest.skip("this machine does not let a test mount a small disk")
    message, hint, left = run(FILLING, str(tmp_path), prefix=prefix).stdout.strip().split("|")
    assert "is full" in message
    assert "Free some space" in hint
    assert left == "[]"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of a file, as Linux does")
def test_a_file_that_may_not_grow_is_told_and_leaves_nothing(tmp_path):
    message, _, left = run(FILLING, str(tmp_path), "limit").stdout.strip().split("|")
    assert "is full" in message
    assert left == "[]"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("a file, not a folder")
    with pytest.raises(ExportError, match="cannot be written") as refused, unfinished_folder(tmp_path / "file" / "releases"):
        pass
    assert "Choose a folder you may write to" in refused.value.hint


def test_a_zip_holds_the_folder_under_a_name_with_the_same_bytes_each_time(tmp_path):
    (tmp_path / "r1" / "dpo").mkdir(parents=True)
    (tmp_path / "r1" / "dpo" / "train.jsonl").write_text("{}\n")
    once = zip_folder(tmp_path / "r1", name="kaas-1")
    os.utime(tmp_path / "r1" / "dpo" / "train.jsonl", (1, 1))
    assert zip_folder(tmp_path / "r1", name="kaas-1") == once
    assert b"kaas-1/dpo/train.jsonl" in once


def test_a_hash_is_that_of_the_bytes_on_the_disk(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert flush_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
