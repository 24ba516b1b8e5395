import unicodedata
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise

import pytest

from pipeline import demonstration
from pipeline.demonstration import Flaw, RecordedChoice, RecordedVote
from pipeline.errors import SourceError

LANGUAGES = demonstration.languages()
# Codes as the published counts of Aya's languages give them.
CODES = {
    "English": "eng",
    "Dutch": "nld",
    "Turkish": "tur",
    "Swahili": "swh",
    "Standard Arabic": "arb",
    "Iranian Persian": "pes",
    "Hindi": "hin",
    "Russian": "rus",
    "Greek": "ell",
    "Japanese": "jpn",
}


def main_script(text: str) -> str:
    """Return the first word of the Unicode names of most letters: LATIN, ARABIC, ..."""
    return Counter(unicodedata.name(char).split()[0] for char in text if char.isalpha()).most_common(1)[0][0]


def prompts_of(language: str) -> list[str]:
    rows = demonstration.rows()
    return list(rows.loc[rows["language"] == language, "inputs"])


def human_answers_of(language: str) -> list[str]:
    rows = demonstration.rows()
    return list(rows.loc[rows["language"] == language, "targets"])


def votes_by_prompt(language: str) -> dict[str, list[RecordedVote]]:
    grouped: dict[str, list[RecordedVote]] = defaultdict(list)
    for vote in demonstration.votes(language):
        grouped[vote.inputs].append(vote)
    return grouped


def test_the_sample_names_ten_languages_and_codes_as_aya_does():
    rows = demonstration.rows()
    assert dict(zip(rows["language"], rows["language_code"], strict=True)) == CODES
    assert list(CODES) == LANGUAGES


def test_language_names_and_codes_are_in_the_published_list(real_data):
    published = (real_data / "aya_train_counts_71.csv").read_text(encoding="utf-8")
    assert [name for name, code in CODES.items() if f",{name},{code}," not in published] == []


def test_the_rows_have_exactly_ayas_columns_and_no_empty_value():
    rows = demonstration.rows()
    assert list(rows.columns) == ["inputs", "targets", "language", "language_code", "annotation_type", "user_id"]
    assert (rows.map(lambda value: value == value.strip() and value != "")).all(axis=None)


def test_the_sample_has_six_scripts_and_two_languages_from_right_to_left():
    scripts = {language: main_script("".join(human_answers_of(language))) for language in LANGUAGES}
    # Japanese mixes kana and Han; kana is the more frequent, and the two count as one script here.
    assert set(scripts.values()) == {"LATIN", "ARABIC", "DEVANAGARI", "CYRILLIC", "GREEK", "HIRAGANA"}
    assert [name for name, script in scripts.items() if script == "ARABIC"] == ["Standard Arabic", "Iranian Persian"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_fifteen_prompts_or_more_without_a_duplicate(language):
    prompts = prompts_of(language)
    assert len(prompts) >= 15
    assert len(set(prompts)) == len(prompts)
    texts = human_answers_of(language) + [answer.response for answer in demonstration.answers(language)]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_several_contributors_and_both_annotation_types(language):
    rows = demonstration.rows()
    rows = rows[rows["language"] == language]
    assert rows["user_id"].nunique() >= 3
    originals = (rows["annotation_type"] == "original-annotations").mean()
    assert 0.6 <= originals <= 0.75
    assert set(rows["annotation_type"]) == {"original-annotations", "re-annotations"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_prompt_has_one_second_answer_and_every_flaw_occurs(language):
    answers = demonstration.answers(language)
    assert [answer.inputs for answer in answers] == prompts_of(language)
    assert {answer.flaw for answer in answers} == set(Flaw)
    assert {answer.model for answer in answers} == {"demo-model-a", "demo-model-b"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_truncated_answer_stops_for_length_in_mid_sentence_and_no_other_does(language):
    for answer in demonstration.answers(language):
        is_cut = answer.flaw is Flaw.TRUNCATED
        assert (answer.finish_reason == "length") is is_cut, answer.inputs
        if is_cut:
            assert answer.response[-1].isalpha() or unicodedata.category(answer.response[-1]) == "Mc"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_answer_in_the_wrong_language_shares_few_words_with_the_prompts_language(language):
    human_words = set(" ".join(human_answers_of(language)).casefold().split())
    wrong, *others = [a.response for a in demonstration.answers(language) if a.flaw is Flaw.WRONG_LANGUAGE]
    assert others == []
    words = wrong.casefold().split()
    assert sum(word in human_words for word in words) / len(words) < 0.25


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_vote_is_on_a_prompt_of_its_language(language):
    assert {vote.inputs for vote in demonstration.votes(language)} <= set(prompts_of(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_annotator_votes_twice_on_a_pair_and_no_pair_has_more_than_three_votes(language):
    for prompt, votes in votes_by_prompt(language).items():
        assert len({vote.annotator for vote in votes}) == len(votes), prompt
        assert len(votes) <= 3, prompt


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_visitor_finds_finished_begun_and_untouched_pairs(language):
    voted = votes_by_prompt(language)
    sizes = Counter(len(voted.get(prompt, [])) for prompt in prompts_of(language))
    assert sizes[3] >= 9
    assert sizes[1] + sizes[2] >= 2
    assert sizes[0] == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_votes_come_from_five_people_over_about_ten_days_and_use_every_choice(language):
    votes = demonstration.votes(language)
    assert len({vote.annotator for vote in votes}) == 5
    assert {vote.choice for vote in votes} == set(RecordedChoice)
    assert {vote.shown_first for vote in votes} == {RecordedChoice.HUMAN, RecordedChoice.MODEL}
    assert all(3 <= vote.seconds <= 90 for vote in votes)
    assert any(vote.reason for vote in votes)
    times = [datetime.fromisoformat(vote.at) for vote in votes]
    assert times == sorted(times)
    assert all(time.tzinfo == UTC for time in times)
    assert timedelta(days=5) < times[-1] - times[0] <= timedelta(days=10)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_annotator_votes_faster_than_the_seconds_the_votes_took(language):
    times: dict[str, list[RecordedVote]] = defaultdict(list)
    for vote in demonstration.votes(language):
        times[vote.annotator].append(vote)
    for own in times.values():
        for before, after in pairwise(own):
            gap = datetime.fromisoformat(after.at) - datetime.fromisoformat(before.at)
            assert gap.total_seconds() >= after.seconds


@pytest.mark.parametrize("language", LANGUAGES)
def test_annotators_agree_mostly_but_not_always(language):
    # Raw agreement: of all pairs of annotators who both judged the same pair of answers, the share with the same choice.
    same = []
    for votes in votes_by_prompt(language).values():
        choices = [vote.choice for vote in votes if vote.choice is not RecordedChoice.SKIP]
        same += [one == other for one, other in combinations(choices, 2)]
    assert 0.65 <= sum(same) / len(same) <= 0.85


def test_the_notice_says_that_it_is_a_demonstration_and_not_aya():
    assert "demonstration, not Aya" in demonstration.NOTICE


@pytest.mark.parametrize("read", [demonstration.answers, demonstration.votes])
def test_an_unknown_language_is_refused_and_the_nearest_name_offered(read):
    with pytest.raises(SourceError, match="no language 'Turkisch'") as caught:
        read("Turkisch")
    assert caught.value.hint.startswith("Did you mean Turkish? ")
    assert "Iranian Persian" in caught.value.hint


def test_a_language_unlike_any_other_is_refused_with_every_name():
    with pytest.raises(SourceError) as caught:
        demonstration.votes("Zulu")
    assert caught.value.hint == "It has " + ", ".join(LANGUAGES) + "."
