import pytest

from pipeline.families import are_related, family


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "qwq:32b"),
        ("gpt-4o-mini", "openai/gpt-4.1"),
        ("CohereForAI/aya-expanse-8b", "command-r-plus"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistral-large-latest"),
        ("google/gemma-2-9b-it", "gemini-1.5-pro"),
        ("meta-llama/Llama-3.1-8B-Instruct:fireworks-ai", "llama3.2"),
        ("newhouse/nova-1b", "nova-7b-chat"),
    ],
)
def test_models_of_one_house_are_told_by_their_names(one: str, other: str):
    assert are_related(one, other)


@pytest.mark.parametrize(("one", "other"), [("gpt-4o", "claude-3-5-sonnet"), ("llama3.2", "qwen2.5"), ("tiny", "judge")])
def test_models_of_different_houses_are_no_relatives(one: str, other: str):
    assert not are_related(one, other)


def test_a_name_that_says_nothing_is_its_own_family():
    assert family("x1") == "x"
