"""Licences: what is known is stated with its day, what is not is asked, and nothing is guessed."""

import pytest

from pipeline.errors import ExportError
from pipeline.licences import CHOICES, MODEL, RELEASE, SOURCE, Outputs, check_answer, compose
from pipeline.records import Project


def project(**changes: object) -> Project:
    return Project(**{"name": "kaas", "language": "Dutch", "code": "nld", "source": "hub", "revision": "r"} | changes)


def test_aya_with_a_free_model_goes_out_as_apache_without_a_question():
    terms = compose(project(), models=["Qwen/Qwen2.5-7B-Instruct"], answers={})
    assert (terms.licence, terms.questions) == ("apache-2.0", ())
    assert [(part.licence, part.outputs) for part in terms.parts] == [("apache-2.0", Outputs.FREE)] * 2
    assert terms.parts[1].as_of


def test_a_model_whose_terms_forbid_it_is_shown_and_must_be_answered():
    terms = compose(project(), models=["gpt-4o-mini"], answers={})
    assert terms.licence == "other"
    assert [question.id for question in terms.open] == [f"{MODEL}gpt-4o-mini", RELEASE]
    assert "compete with OpenAI" in terms.open[0].why
    assert terms.open[1].why == "Its parts stand under apache-2.0 and under terms of their own."
    assert "as known in 2025-01" in terms.open[0].why
    answers = {f"{MODEL}gpt-4o-mini": "A letter of theirs of 3 May allows it.", RELEASE: "cc-by-nc-4.0"}
    answered = compose(project(), models=["gpt-4o-mini"], answers=answers)
    assert (answered.open, answered.licence) == ([], "cc-by-nc-4.0")
    assert answered.parts[1].answer == "A letter of theirs of 3 May allows it."


def test_an_unknown_model_is_asked_about_and_half_an_answer_is_none():
    terms = compose(project(), models=["my-own-model"], answers={RELEASE: "apache-2.0"})
    assert [question.id for question in terms.open] == [f"{MODEL}my-own-model"]
    assert terms.licence == "other"
    assert "knows nothing" in terms.open[0].why


def test_a_free_model_of_another_licence_leaves_the_choice_to_the_coordinator():
    terms = compose(project(), models=["microsoft/phi-4"], answers={})
    assert [question.id for question in terms.open] == [RELEASE]
    assert "apache-2.0, mit" in terms.open[0].why
    assert compose(project(), models=["microsoft/phi-4"], answers={RELEASE: "apache-2.0"}).licence == "apache-2.0"


def test_rows_of_a_file_have_the_licence_that_is_answered():
    source = project(source="/home/ana/vragen.csv")
    terms = compose(source, models=[], answers={})
    assert [question.id for question in terms.open] == [SOURCE, RELEASE]
    assert "ana" not in terms.open[0].text
    assert terms.open[1].why == "Its parts stand under terms of their own."
    assert compose(source, models=[], answers={SOURCE: "cc-by-4.0", RELEASE: "cc-by-4.0"}).licence == "cc-by-4.0"


def test_a_judge_is_asked_about_as_a_writer_is():
    terms = compose(project(), models=["mistral-7b-instruct"], judges=["claude-x", "claude-x"], answers={})
    assert [question.id for question in terms.open] == [f"{MODEL}claude-x", RELEASE]


def test_a_demonstration_has_no_questions_for_its_models_do_not_exist():
    terms = compose(project(source="sample", is_demonstration=True), models=["demo-model"], answers={})
    assert (terms.licence, terms.questions) == ("apache-2.0", ())


@pytest.mark.parametrize(
    ("model", "outputs"),
    [
        ("openai/gpt-oss-20b", Outputs.FREE),
        ("gpt-4o", Outputs.RESTRICTS),
        ("o3-mini", Outputs.RESTRICTS),
        ("meta-llama/Llama-3.1-8B-Instruct", Outputs.CONDITIONS),
        ("llama3.2:1b", Outputs.CONDITIONS),
        ("meta-llama/Llama-2-7b-chat", Outputs.RESTRICTS),
        ("llama3:8b", Outputs.RESTRICTS),
        ("deepseek-ai/DeepSeek-R1", Outputs.FREE),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", Outputs.UNKNOWN),
        ("Qwen/Qwen2.5-3B-Instruct", Outputs.RESTRICTS),
        ("qwen2.5:7b", Outputs.FREE),
        ("Qwen/Qwen2.5-Coder-7B", Outputs.UNKNOWN),
        ("CohereForAI/aya-expanse-8b", Outputs.RESTRICTS),
        ("CohereForAI/aya-101", Outputs.FREE),
        ("gptq-of-mine", Outputs.UNKNOWN),
        ("bloomberg-lm", Outputs.UNKNOWN),
        ("phi4:14b", Outputs.FREE),
    ],
)
def test_models_are_told_by_their_names_and_the_rest_is_unknown(model, outputs):
    assert compose(project(), models=[model], answers={}).parts[1].outputs is outputs


def test_an_answer_is_one_that_a_reader_could_check():
    terms = compose(project(source="x.csv"), models=["gpt-4o"], answers={})
    assert check_answer(terms, f"{MODEL}gpt-4o", " A letter\nof theirs. ") == "A letter of theirs."
    assert check_answer(terms, RELEASE, "other") == "other"
    assert set(CHOICES) >= {"apache-2.0", "cc-by-4.0", "other"}
    for question, answer, said in (
        (f"{MODEL}gpt-4o", "ok", "no answer"),
        (RELEASE, "Apache", "no licence"),
        ("model:none", "yes", "no question"),
    ):
        with pytest.raises(ExportError, match=said):
            check_answer(terms, question, answer)
