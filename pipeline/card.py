"""Card: what must a stranger know before training on this release?

Facts come in; the text of a README.md goes out, with the YAML head that the Hub and `datasets` read. Text from
outside (names, guidelines) is shown as text and never becomes a heading, a link or HTML. Reads no files, writes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline import card_evidence
from pipeline.card_head import head
from pipeline.health import Health
from pipeline.licences import Outputs, Terms
from pipeline.markdown import block, inline, number, table
from pipeline.recipes import Recipe
from pipeline.records import HUMAN, Project

TRAINERS = ("dpo", "orpo", "kto", "reward", "sft")
WHAT_FORMATS_HOLD = {
    "dpo": "prompt, chosen and rejected, for `DPOTrainer`",
    "orpo": "the same rows as `dpo`, for `ORPOTrainer`",
    "kto": "single answers with `label` true (won, or equally good) or false (lost, or both bad), for `KTOTrainer`",
    "reward": "as `dpo`, with `margin`: share of votes for chosen less share for rejected, for `RewardTrainer`",
    "sft": "winning answers, in an annotator's edited wording where there is one, for `SFTTrainer`",
    "votes": "each annotator's latest vote on each pair, skips too, under pseudonyms, with the order the responses were shown in",
    "judgements": "what each judge said of each pair, in each order, with ratings and reasons; no opinion of a model is a vote",
}
AYA = """@misc{singh2024aya,
  title={Aya Dataset: An Open-Access Collection for Multilingual Instruction Tuning},
  author={Shivalika Singh and others},
  year={2024},
  eprint={2402.06619},
  archivePrefix={arXiv},
  primaryClass={cs.CL}
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the card says beside the project.

    `splits` is rows by format and split; `counts` has `pairs, votes, annotators, prompts, preferences`;
    `guidelines` and `system_prompts` are the texts, by version, that votes were cast and responses written under;
    `excluded` is pairs by reason, and `reasons` says each reason in words; `agreement` has the shape that the
    `agreement` command prints; `models` are the sources that are not people; `judges` are rows of
    `judge.by_judge`; `agreement_inside` is `agreement` of the votes on the pairs in the release alone; `decided_by_judges` is
    how many preferences a judge filled in; `tools` are programs that made parts of it, as the Hub tags them; `commands` train
    on it, by format; `recipes` are those in it, and `training_check` is what `export.try_training` returned, if it was tried.
    """

    splits: Mapping[str, Mapping[str, int]]
    counts: Mapping[str, int]
    excluded: Mapping[str, int] = field(default_factory=dict)
    excluded_by_format: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    chosen_by_source: Mapping[str, int] = field(default_factory=dict)
    agreement: Mapping[str, object] = field(default_factory=dict)
    models: Sequence[str] = ()
    judges: Sequence[Mapping[str, object]] = ()
    guidelines: Mapping[str, str] = field(default_factory=dict)
    system_prompts: Mapping[str, str] = field(default_factory=dict)
    health: Health | None = None
    terms: Terms | None = None
    agreement_inside: Mapping[str, object] = field(default_factory=dict)
    decided_by_judges: int = 0
    tools: Sequence[str] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    recipes: Sequence[Recipe] = ()
    training_check: Mapping[str, object] = field(default_factory=dict)


def card(project: Project, facts: CardFacts) -> str:
    """Return the dataset card of a release; the same facts give the same text."""
    parts = [
        f"---\n{_head(project, facts)}---",
        f"# {inline(project.name)}",
        *_notice(project),
        _what_it_is(project, facts),
        "## What is in it",
        table(
            ("Configuration", "Split", "Rows", "Holds"),
            [
                (kind, split, number(rows), WHAT_FORMATS_HOLD[kind])
                for kind, sizes in facts.splits.items()
                for split, rows in sizes.items()
            ],
        ),
        "Each row names its prompt and pair, where the answers came from, how many people voted (`n_votes`), the share of"
        " the votes for the outcome (`agreement`) and how it was decided (`method`). No prompt stands in two splits, and a"
        " prompt has the same split in every configuration.",
        *_how_it_was_made(project, facts),
        *card_evidence.agreement(facts.agreement, facts.agreement_inside),
        *card_evidence.judges(facts.judges, decided=facts.decided_by_judges),
        *card_evidence.health(facts.health),
        *_chosen_and_left_out(facts),
        *_limits(project, facts),
        *_licence(facts.terms),
        *card_evidence.training(facts.commands, facts.recipes, facts.training_check),
        *_citation(project),
    ]
    return "\n\n".join(parts) + "\n"


def _head(project: Project, facts: CardFacts) -> str:
    return head(
        project,
        splits=facts.splits,
        licence=facts.terms.licence if facts.terms else "other",
        trained=[kind for kind in TRAINERS if kind in facts.splits],
        has_models=bool(facts.models),
        has_judges=bool(facts.decided_by_judges),
        tools=facts.tools,
    )


def _notice(project: Project) -> list[str]:
    if not project.is_demonstration:
        return []
    return [
        "> **This is a demonstration, not Aya data.** Its texts and votes were written to show how the studio works;"
        " its models do not exist. Do not train on it for real use."
    ]


def _what_it_is(project: Project, facts: CardFacts) -> str:
    counts = facts.counts
    return (
        f"{number(counts['preferences'])} preferences in {inline(project.language)} on {number(counts['prompts'])} prompts:"
        f" of two responses to the same prompt, which one do people choose? {number(counts['annotators'])} annotators cast"
        f" {number(counts['votes'])} votes on {number(counts['pairs'])} pairs."
    )


def _how_it_was_made(project: Project, facts: CardFacts) -> list[str]:
    source = {"hub": "CohereForAI/aya_dataset", "sample": "the demonstration sample"}.get(project.source, project.public_source)
    models = ", ".join(inline(model) for model in facts.models) or "none; all responses were written by people or imported"
    rules = [(inline(name), inline(str(value))) for name, value in sorted(project.rules.items())]
    parts = [
        "## How it was made",
        f"- Prompts and human responses: {inline(source)}, revision {inline(project.revision)}\n"
        f"- Models that wrote responses: {models}\n"
        "- Annotators of the studio do not see who wrote a response, and the order is drawn for each annotator and pair; a"
        " study that was brought in from elsewhere had conditions of its own",
        *([table(("Rule of curation", "Value"), rules)] if rules else []),
    ]
    for title, texts in (("Guidelines for annotators", facts.guidelines), ("System prompt of the models", facts.system_prompts)):
        for version, text in texts.items():
            if text.strip():
                parts += [f"### {title}, version {inline(version)}", block(text)]
    return parts


def _chosen_and_left_out(facts: CardFacts) -> list[str]:
    sources = [
        ("a person" if source == HUMAN else inline(source), number(count)) for source, count in facts.chosen_by_source.items()
    ]
    parts = ["## Whose response was chosen", table(("Source", "Times chosen"), sources)] if sources and not facts.health else []
    left_out = [(inline(facts.reasons.get(reason, reason)), number(count)) for reason, count in facts.excluded.items()]
    parts += ["## What was left out", table(("Reason", "Pairs"), left_out) if left_out else "Nothing: every pair is in."]
    rows = [
        (kind, inline(facts.reasons.get(reason, reason)), number(count))
        for kind, counted in facts.excluded_by_format.items()
        for reason, count in counted.items()
    ]
    return [*parts, *([table(("Configuration", "Reason", "Rows"), rows)] if rows else [])]


def _limits(project: Project, facts: CardFacts) -> list[str]:
    judged = (
        f"\n- A judge, and no person, decided {number(facts.decided_by_judges)} of the preferences; `method` marks them."
        if facts.decided_by_judges
        else ""
    )
    return [
        "## Limits",
        f"- The choices are those of the annotators counted above, not of all speakers of {inline(project.language)}. The studio"
        " does not know their age, gender or region.\n"
        "- The texts were not checked for errors of fact or harmful content beyond what the votes say.\n"
        "- Annotators stand under pseudonyms; their reasons and edits (`votes`, `sft`) are in their own words. E-mail addresses,"
        " telephone numbers and annotators' names are searched for before a release is published from the studio, by their form"
        f" alone: what has another form is not found.{judged}",
    ]


def _licence(terms: Terms | None) -> list[str]:
    """The terms of each part, what the coordinator answered, and what is still open."""
    if terms is None:
        return []
    rows = [
        (
            inline(part.what),
            inline(part.role),
            inline(part.licence or "not known"),
            inline(" ".join(filter(None, (part.says, f"({part.source}, as known in {part.as_of})" if part.as_of else "")))),
        )
        for part in terms.parts
    ]
    answers = "\n".join(f"- {inline(asked.text)} {inline(asked.answer)}" for asked in terms.questions if asked.answer)
    questions = "\n".join(f"- {inline(asked.text)} {inline(asked.why)}" for asked in terms.open)
    goes_out = f"This release goes out under **{inline(terms.licence)}**." if not terms.open else ""
    unsettled = (
        "**Not settled.** Whoever publishes this release must answer these questions first, here and in the head of this card:"
    )
    bound = any(part.outputs is not Outputs.FREE for part in terms.parts)
    return [
        "## Licence",
        *([goes_out] if goes_out else [unsettled, questions]),
        table(("Part", "What it gave", "Licence", "What its terms say of answers"), rows),
        *([f"What the publisher answers for:\n\n{answers}"] if answers else []),
        "Texts brought in from other files keep the terms they came with."
        + (" Terms change: the provider's own page has the last word." if bound else ""),
    ]


def _citation(project: Project) -> list[str]:
    if project.source != "hub":
        return []
    return [
        "## Citation",
        "The prompts and human responses are those of the Aya dataset; please cite it.",
        f"```bibtex\n{AYA}\n```",
    ]
