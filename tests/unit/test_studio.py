"""The studio keeps names as people write them, studies as they grow, and releases free of what is not theirs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ProjectError
from pipeline.languages import LANGUAGES
from pipeline.records import DocumentKind, Endpoint
from pipeline.settings import Settings
from pipeline.studio import Studio
from pipeline.wiring import open_studio
from tests.fakes.model_server import ModelServer

# What speakers call their language, with marks that combine, joiners and many scripts.
OWN_NAMES = [
    *("हिन्दी", "தமிழ்", "සිංහල", "বাংলা", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "ગુજરાતી", "ਪੰਜਾਬੀ", "नेपाली", "मराठी", "ไทย", "မြန်မာဘာသာ"),
    *("العربية", "اُردُو", "فارسی‌زبان", "پښتو", "سنڌي", "کوردیی ناوەندی", "አማርኛ", "日本語", "한국어", "简体中文", "繁體中文"),
    *("Ελληνικά", "Українська", "Русский", "Српски", "Кыргызча", "Tiếng Việt", "Yorùbá", "Èdè Yorùbá", "Ẹ̀dẹ̀", "Gaeilge"),
]
LINE = {"source_a": "human", "source_b": "model-x", "response_a": "Een ei.", "response_b": "Egg.", "prompt": "Wat is een ei?"}


@pytest.fixture
def studio(workspace: Path) -> Iterator[Studio]:
    opened = open_studio(Settings(workspace=workspace))
    yield opened
    opened.store.close()


def write_lines(path: Path, *lines: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def said(annotator: str, choice: str, day: int = 1) -> dict[str, str]:
    return LINE | {"annotator": annotator, "choice": choice, "at": f"2025-03-0{day}T12:00:00Z"}


def rows(n: int = 3) -> list[dict[str, str]]:
    return [{"inputs": f"Vraag nummer {i}?", "targets": f"Antwoord {i}.", "language": "Dutch"} for i in range(n)]


def test_a_project_may_have_the_name_of_any_language_as_its_speakers_write_it(studio: Studio, tmp_path: Path):
    study = write_lines(tmp_path / "votes.jsonl", said("ana", "a"))
    names = {*(language.name for language in LANGUAGES), *OWN_NAMES}
    for name in names:
        studio.import_votes(name, study, language="Dutch")
    assert {project.name for project in studio.store.projects()} == names


@pytest.mark.parametrize("name", ["हिन्दी", "فارسی‌زبان", "Ta'izzi-Adeni Arabic", "Ẹ̀dẹ̀", '*?<>|"', "සිංහල" * 8])
def test_the_folder_of_a_release_has_a_safe_name(studio: Studio, tmp_path: Path, name: str):
    study = write_lines(tmp_path / "votes.jsonl", said("ana", "a"), said("bo", "a"))
    studio.import_votes(name, study, language="Dutch")
    folder = Path(studio.export(name, ["dpo"]).directory)
    assert folder.parent == studio.settings.workspace / "releases"
    assert not set(folder.name) & set("/\\: .'*?<>|\"\u200c\u200d")


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", ".x", "x.", " x", "x ", "a/b", "a\\b", "a:b", "-x", "a\nb", "a\x00b", "a\u202eb", "\u200d", "x" * 61],
)
def test_a_name_that_could_be_a_path_or_cannot_be_read_is_refused(studio: Studio, tmp_path: Path, name: str):
    study = write_lines(tmp_path / "votes.jsonl", said("ana", "a"))
    with pytest.raises(ProjectError, match="cannot be used"):
        studio.import_votes(name, study, language="Dutch")
    assert studio.store.projects() == []


def test_a_study_that_grew_adds_its_changes_and_nothing_twice(studio: Studio, tmp_path: Path):
    first = write_lines(tmp_path / "first.jsonl", said("ana", "a"), said("bo", "a"))
    second = write_lines(tmp_path / "second.jsonl", said("ana", "a"), said("ana", "tie", day=2), said("bo", "b", day=3))
    told = [studio.import_votes("eieren", file, language="Dutch") for file in (first, second, second, first)]
    counted = [(one["votes"], one["changed"], one["already_stored"]) for one in told]
    assert counted == [(2, 0, 0), (2, 2, 1), (0, 0, 3), (0, 0, 2)]
    assert sorted(studio.store.votes("eieren")["choice"]) == ["second", "tie"]
    assert len(studio.store.votes("eieren", history=True)) == 4


def test_skips_count_as_votes_nowhere(studio: Studio, tmp_path: Path):
    study = write_lines(tmp_path / "votes.jsonl", said("ana", "a"), said("bo", "tie"), said("cy", "skip"))
    studio.import_votes("eieren", study, language="Dutch")
    status, agreement, counts = studio.status("eieren"), studio.agreement("eieren"), studio.contents("eieren", ["all"]).counts
    assert (status.votes, status.skipped, status.annotators, status.completed_pairs) == (2, 1, 2, 0)
    assert (agreement["votes"], agreement["skipped"], agreement["annotators"]) == (2, 1, 2)
    assert (counts["votes"], counts["skipped"], counts["annotators"]) == (2, 1, 2)
    assert studio.pull("eieren")["votes"] == 2


def released(studio: Studio, name: str, file: Path, *, votes_wanted: int) -> dict[str, bytes]:
    """The files of a release of a project made from a file."""
    studio.new_project(name, "Dutch", str(file), votes_wanted=votes_wanted)
    answers = [{"prompt": row["inputs"], "response": f"Nee: {row['targets']}", "model": "m"} for row in rows()]
    studio.import_responses(name, write_lines(file.with_name("answers.jsonl"), *answers))
    votes = [
        LINE
        | {"prompt": row["inputs"], "response_a": row["targets"], "response_b": f"Nee: {row['targets']}", "source_b": "m"}
        | {"annotator": annotator, "choice": "a", "at": "2025-03-01T12:00:00Z"}
        for row in rows()
        for annotator in ("ana", "bo")
    ]
    studio.import_votes(name, write_lines(file.with_name("votes.jsonl"), *votes))
    folder = Path(studio.export(name, ["dpo"]).directory)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_gives_the_same_release_wherever_it_lies_and_the_release_names_no_folder(tmp_path: Path):
    made = []
    for number, place in enumerate(("one", "other/place")):
        opened = open_studio(Settings(workspace=tmp_path / place / "workspace"))
        file = write_lines(tmp_path / place / "vragen.jsonl", *rows())
        made.append(released(opened, "vragen", file, votes_wanted=2 + number))
        assert Path(opened.store.project("vragen").source) == file
        opened.store.close()
    assert made[0] == made[1]
    assert json.loads(made[0]["manifest.json"])["source"] == "vragen.jsonl"
    assert not any(str(tmp_path).encode() in content for content in made[0].values())


def test_a_card_says_nothing_of_guidelines_and_prompts_that_no_row_was_made_under(studio: Studio, tmp_path: Path):
    file = write_lines(tmp_path / "vragen.jsonl", *rows())
    text = released(studio, "vragen", file, votes_wanted=2)["README.md"].decode()
    assert "license: other" in text
    assert "must answer these questions first" in text
    assert "- aya" not in text
    for kind in (DocumentKind.SYSTEM_PROMPT, DocumentKind.GUIDELINES):
        assert studio.store.document("vragen", kind)[1] not in text


def test_a_card_shows_every_system_prompt_its_answers_were_written_under(studio: Studio, tmp_path: Path):
    studio.new_project("vragen", "Dutch", str(write_lines(tmp_path / "vragen.jsonl", *rows(4))))
    versions = []
    with ModelServer() as server:
        for text in ("Antwoord kort.", "Antwoord lang."):
            versions.append(studio.store.save_document("vragen", DocumentKind.SYSTEM_PROMPT, text))
            studio.generate("vragen", Endpoint(model="tiny", base_url=server.base_url), limit=2)
    answers = studio.store.responses("vragen").dropna(subset="system_prompt_version")
    assert answers["system_prompt_version"].value_counts().to_dict() == dict.fromkeys(versions, 2)
    studio.store.save_document("vragen", DocumentKind.SYSTEM_PROMPT, "Nooit gebruikt.")
    pairs = studio.store.pairs("vragen")
    votes = [
        said(name, "a") | {"prompt": pair.prompt, "response_a": pair.first, "response_b": pair.second, "source_b": "tiny"}
        for pair in pairs.itertuples()
        for name in ("ana", "bo")
    ]
    studio.import_votes("vragen", write_lines(tmp_path / "votes.jsonl", *votes))
    card = (Path(studio.export("vragen", ["dpo"]).directory) / "README.md").read_text(encoding="utf-8")
    assert "Antwoord kort." in card
    assert "Antwoord lang." in card
    assert "Nooit gebruikt." not in card


def test_a_release_written_again_after_its_folder_moved_is_found_again(studio: Studio, tmp_path: Path):
    studio.import_votes("eieren", write_lines(tmp_path / "votes.jsonl", said("ana", "a"), said("bo", "a")), language="Dutch")
    studio.export("eieren", ["dpo"], tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "moved")
    studio.export("eieren", ["dpo"])
    (release,) = studio.store.releases("eieren")
    assert Path(release.directory).is_dir()


def test_the_release_of_the_demonstration_which_is_written_unchecked_for_speed_loads(studio: Studio):
    name = studio.demo("Standard Arabic").name
    first = studio.store.releases(name)
    # Checked this time; and the same files, byte for byte, are there already.
    assert not studio.export(name, ["dpo", "orpo"]).created
    assert studio.store.releases(name) == first
