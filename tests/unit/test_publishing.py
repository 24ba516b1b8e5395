"""What stands in the way of a release: open questions, a card that says something else, personal data; each with a way out."""

import uuid
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard

from pipeline.errors import ExportError, PublishError
from pipeline.export import ReleaseOptions
from pipeline.ports import Made
from pipeline.records import Choice, Job, Project, Prompt, Request, Response, Vote, make_pair, response_id
from pipeline.settings import Settings
from pipeline.shapes import Layout
from pipeline.studio import Studio
from pipeline.wiring import open_studio


@pytest.fixture
def studio(workspace: Path) -> Studio:
    return open_studio(Settings(workspace=workspace, hub_endpoint="http://127.0.0.1:9", hub_token="hf_x"))


def add_project(
    studio: Studio, *, model: str = "gpt-4o", prompts: int = 2, reason: str = "", choice: Choice = Choice.FIRST
) -> None:
    store = studio.store
    if not store.projects():
        store.add_project(Project(name="kaas", language="Dutch", code="nld", source="hub", revision="r1", order_key="key"))
    for number in range(prompts):
        prompt = f"p{number}"
        store.add_prompts("kaas", [Prompt(id=prompt, text=f"Wat is kaas nummer {number}?")])
        texts = {"human": f"Zuivel nummer {number}.", model: f"Een hond nummer {number}."}
        answers = [
            Response(id=response_id(prompt, who, text), prompt_id=prompt, source=who, text=text) for who, text in texts.items()
        ]
        store.add_responses("kaas", answers)
        pair = make_pair(*answers)
        store.add_pairs("kaas", [pair])
        store.add_votes("kaas", [Vote(pair_id=pair.id, annotator=who, choice=choice, reason=reason) for who in ("fatima", "ben")])


def in_the_way(studio: Studio, **options: bool) -> list[str]:
    return [each.message for each in studio.publishing.hindrances("kaas", "latest", **options)]


def answer_everything(studio: Studio) -> None:
    for question in studio.facts.terms("kaas").open:
        studio.facts.answer("kaas", question.id, "cc-by-nc-4.0" if question.choices else "Their letter of 3 May allows it.")


def test_an_open_question_about_a_licence_stops_publishing_until_it_is_answered_and_written_in_a_card(studio: Studio):
    add_project(studio)
    studio.export("kaas", ["dpo"])
    assert "2 questions about the licence are open: [model:gpt-4o]" in in_the_way(studio)[0]
    with pytest.raises(PublishError, match="questions about the licence"):
        studio.publishing.publish("kaas", "latest", "ana/kaas")
    assert [job.state for job in studio.store.jobs("kaas")] == ["failed"]
    answer_everything(studio)
    # The release that was written keeps the card it has; the next one states what was answered.
    assert "states the licence other; by your answers it is cc-by-nc-4.0" in in_the_way(studio)[0]
    assert studio.export("kaas", ["dpo"]).version == 2
    assert in_the_way(studio) == []
    card = (Path(studio.store.release("kaas", "v2").directory) / "README.md").read_text()
    assert "license: cc-by-nc-4.0" in card
    assert "Their letter of 3 May allows it" in card


def test_answers_are_kept_with_the_project_and_every_version_of_them(studio: Studio):
    add_project(studio)
    studio.facts.answer("kaas", "model:gpt-4o", "Their letter of 3 May allows it.")
    studio.facts.answer("kaas", "model:gpt-4o", "Their letter of 4 May forbids it.")
    again = open_studio(studio.settings)
    assert again.facts.terms("kaas").parts[1].answer == "Their letter of 4 May forbids it."
    with pytest.raises(ExportError, match="no question"):
        again.facts.answer("kaas", "model:other", "whatever")


def test_personal_data_is_shown_and_stops_publishing_until_somebody_has_read_it(studio: Studio):
    add_project(studio, model="qwen2.5:7b", prompts=1, reason="vraag Fatima, of mail ben@kaas.nl")
    studio.export("kaas", ["dpo", "votes"])
    found = studio.publishing.personal("kaas", "latest")
    assert [(each.what, each.match, each.column) for each in found] == [
        ("e-mail", "ben@kaas.nl", "reason"),
        ("name", "Fatima", "reason"),
        ("name", "ben", "reason"),
    ]
    assert "1 e-mail, 2 name" in in_the_way(studio)[0]
    assert in_the_way(studio, texts_reviewed=True) == []


def test_a_name_is_looked_for_after_its_votes_were_joined_to_another(studio: Studio):
    add_project(studio, model="qwen2.5:7b", prompts=1, reason="zoals Fatima al zei")
    studio.decisions.rename_annotator("kaas", "fatima", "annotator 7")
    studio.export("kaas", ["votes"])
    assert [each.match for each in studio.publishing.personal("kaas", "latest")] == ["Fatima"]


@pytest.mark.parametrize("path", ["README.md", "dpo/train.parquet", "private.csv"])
def test_a_release_with_a_file_that_was_changed_or_added_is_not_published(studio: Studio, path: str):
    add_project(studio, model="qwen2.5:7b")
    folder = Path(studio.export("kaas", ["dpo"]).directory)
    with (folder / path).open("a") as file:
        file.write("fatima,+31 20 1234567")
    with pytest.raises(PublishError, match=f"changed since it was written: {path}"):
        studio.publishing.plan("kaas", "latest", "ana/kaas")


def test_a_refusal_to_publish_is_told_by_its_job(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    add_project(studio)
    studio.export("kaas", ["dpo"])
    job = Job(id="j1", project="kaas", kind="publish", command=("publish",))
    studio.store.save_job(job, unless=lambda _: False)
    monkeypatch.setenv("STUDIO_JOB_ID", "j1")
    with pytest.raises(PublishError):
        studio.publishing.publish("kaas", "latest", "ana/kaas")
    [told] = studio.store.jobs("kaas")
    assert told.state == "failed"
    assert "questions about the licence" in told.message


def test_names_of_annotators_are_nowhere_in_a_release(studio: Studio):
    add_project(studio, model="qwen2.5:7b")
    written = studio.export("kaas", ["all"], options=ReleaseOptions(jsonl=True))
    lines = list(Path(written.directory).rglob("*.jsonl"))
    assert len(lines) > 5
    assert not any(b"fatima" in path.read_bytes() for path in lines)
    assert in_the_way(studio) == []


def test_one_row_is_a_release_with_a_health_report(studio: Studio):
    add_project(studio, model="qwen2.5:7b", prompts=1)
    report = studio.facts.health("kaas")
    assert (report.rows, report.looked_at) == (1, 1)
    studio.export("kaas", ["kto"])
    card = (Path(studio.store.release("kaas", "latest").directory) / "README.md").read_text()
    assert "## Is it fit to train on?" in card  # a release of other formats alone rests on the same preferences


@pytest.mark.parametrize("choice", [None, Choice.TIE])
def test_an_empty_project_and_one_of_ties_have_no_health_and_nothing_to_publish(studio: Studio, choice: Choice | None):
    add_project(studio, prompts=0 if choice is None else 2, choice=choice or Choice.FIRST)
    report = studio.facts.health("kaas")
    assert (report.rows, report.concerns) == (0, [])
    with pytest.raises(ExportError, match="nothing to export"):
        studio.export("kaas", ["dpo"])
    with pytest.raises(ExportError, match="no release yet") as refused:
        studio.publishing.hindrances("kaas", "latest")
    assert "Export page" in refused.value.hint
    with pytest.raises(ExportError, match="no release yet"):
        studio.facts.changes("kaas")


@pytest.mark.parametrize("layout", Layout)
def test_what_changed_since_the_last_release_is_told_whatever_its_layout(studio: Studio, layout: Layout):
    add_project(studio, model="qwen2.5:7b")
    studio.export("kaas", ["dpo"], options=ReleaseOptions(layout=layout, with_system=True))
    pair = studio.store.pairs("kaas")["pair_id"].tolist()
    votes = [Vote(pair_id=pair[0], annotator=who, choice=Choice.SECOND, version=1) for who in ("fatima", "ben")]
    votes += [Vote(pair_id=pair[1], annotator=who, choice=Choice.TIE, version=1) for who in ("fatima", "ben")]
    studio.store.add_votes("kaas", votes)
    found = studio.facts.changes("kaas")
    assert (found.added, found.removed, found.flipped, found.kept) == (0, 1, 1, 0)
    assert found.rows["prompt"].str.fullmatch(r"Wat is kaas nummer \d\?").all()
    assert found.rows["before"].str.fullmatch(r"(Zuivel|Een hond) nummer \d\.").all()
    studio.export("kaas", ["dpo"])
    assert studio.facts.changes("kaas", since="v1", until="v2").flipped == 1
    assert studio.facts.changes("kaas").kept == 1


def test_a_release_without_preferences_cannot_be_compared_and_says_so(studio: Studio):
    add_project(studio, model="qwen2.5:7b")
    studio.export("kaas", ["kto"])
    with pytest.raises(ExportError, match="v1 holds no format with all preferences"):
        studio.facts.changes("kaas")


def test_the_card_names_the_tools_that_took_part_and_no_others(studio: Studio):
    add_project(studio)
    assert tags(studio) == set()
    pair = studio.store.pairs("kaas")["pair_id"][0]
    # Argilla knows its annotators by ids of this form, whatever name is shown.
    studio.store.add_votes("kaas", [Vote(pair_id=pair, annotator=str(uuid.UUID(int=7)), choice=Choice.FIRST)])
    assert tags(studio) == {"argilla"}
    studio.store.save_made([Made(request=ANSWERED)])
    assert tags(studio) == {"argilla", "distilabel"}


ANSWERED = Request(
    key="k1",
    project="kaas",
    prompt_id="p0",
    purpose="judge",
    model="m",
    system_prompt_version="",
    parameters={},
    text="A",
    tokens_in=1,
    tokens_out=1,
    cost_usd=None,
    seconds=0.1,
    attempts=1,
)


def tags(studio: Studio) -> set[str]:
    card = Path(studio.export("kaas", ["dpo"]).directory) / "README.md"
    return {"argilla", "distilabel"} & set(DatasetCard.load(card).data.tags)
