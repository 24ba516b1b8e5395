"""Card: what must a stranger know before training on this release?

Facts come in; the text of a README.md goes out, with the YAML head that the Hub and `datasets` read. Text from
outside (names, guidelines) is shown as text and never becomes a heading, a link or HTML. Reads no files, writes none.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from pipeline import languages
from pipeline.records import HUMAN, Project

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SIZE_NAMES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M")
MODEL = "Qwen/Qwen2.5-0.5B-Instruct"
TRAINERS = ("dpo", "orpo", "kto", "reward", "sft")
WHAT_FORMATS_HOLD = {
    "dpo": "prompt, chosen and rejected, for `DPOTrainer`",
    "orpo": "the same rows as `dpo`, for `ORPOTrainer`",
    "kto": "single answers with `label` true (it won) or false (it lost, or both were bad), for `KTOTrainer`",
    "reward": "as `dpo`, with `margin`: share of votes for chosen less share for rejected, for `RewardTrainer`",
    "sft": "winning answers, in an annotator's edited wording where there is one, for `SFTTrainer`",
    "votes": "each annotator's latest vote on each pair, skips too, under pseudonyms, with the order the responses were shown in",
}
LICENCES = {
    "hub": "The prompts and human responses are Aya's, published under Apache-2.0 by Cohere For AI and its community.",
    "sample": "The demonstration sample is published under Apache-2.0.",
}
"""What is known of the licence, by source; of any other source nothing is."""
COEFFICIENTS = {
    "percent": "Same choice (share of annotator pairs)",
    "krippendorff_nominal": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
    "with_others": "Same as most of the others (share)",
    "fleiss": "Fleiss' kappa",
    "cohen_mean": "Cohen's kappa, mean over annotator pairs",
    "krippendorff_ordinal": "Krippendorff's alpha, ordinal",
    "gwet_ac2": "Gwet's AC2, ordinal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the card says beside the project.

    `splits` is rows by format and split; `counts` has `pairs, votes, annotators, prompts, preferences`;
    `guidelines` and `system_prompts` are the texts, by version, that votes were cast and responses written under;
    `excluded` is pairs by reason, and `reasons` says each reason in words; `agreement` has the shape that the
    `agreement` command prints; `models` are the sources that are not people; `judges` are rows of
    `judge.by_judge`.
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


def card(project: Project, facts: CardFacts) -> str:
    """Return the dataset card of a release; the same facts give the same text."""
    parts = [
        f"---\n{_head(project, facts)}---",
        f"# {inline(project.name)}",
        *_notice(project),
        _what_it_is(project, facts),
        "## What is in it",
        _table(
            ("Configuration", "Split", "Rows", "Holds"),
            [
                (kind, split, _n(rows), WHAT_FORMATS_HOLD[kind])
                for kind, sizes in facts.splits.items()
                for split, rows in sizes.items()
            ],
        ),
        "Each row names its prompt and pair, where the answers came from, how many people voted (`n_votes`), the share of"
        " the votes for the outcome (`agreement`) and how it was decided (`method`). No prompt stands in two splits, and a"
        " prompt has the same split in every configuration.",
        *_how_it_was_made(project, facts),
        *_agreement(facts.agreement),
        *_judges(facts.judges),
        *_chosen_and_left_out(facts),
        *_limits(project),
        *_licence(project),
        *_training(facts),
    ]
    return "\n\n".join(parts) + "\n"


def inline(text: str) -> str:
    """Return text from outside as Markdown that shows just these characters, in one line."""
    one_line = "".join(letter if letter.isprintable() else " " for letter in text)
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|<>&~$:@])", r"\\\1", " ".join(one_line.split()))
    return re.sub(r"www\.", r"www\.", escaped, flags=re.IGNORECASE)


def block(text: str) -> str:
    """Return text from outside as a code block that it cannot break out of."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def _n(number: int) -> str:
    return f"{number:,}"


def _head(project: Project, facts: CardFacts) -> str:
    spoken = languages.language_named(project.language, project.code)
    trained = [kind for kind in TRAINERS if kind in facts.splits]
    origin = {"hub": ["aya"], "sample": ["demonstration"]}.get(project.source, [])
    tags = [*trained, "preference", "human-feedback", "trl", *origin]
    rows = sum(facts.splits.get("dpo", next(iter(facts.splits.values()), {})).values())
    head = {
        # One line: a line of hyphens inside the name would end the head for simple readers.
        "pretty_name": " ".join(project.name.split()),
        "language": [spoken.iso639_1 or spoken.code],
        "license": "apache-2.0" if project.source in LICENCES else "other",
        "tags": tags,
        "size_categories": [SIZE_NAMES[sum(rows >= size for size in SIZES)]],
        "configs": [
            {"config_name": kind}
            | ({"default": True} if kind == next(iter(facts.splits)) else {})
            | {"data_files": [{"split": split, "path": f"{kind}/{split}.parquet"} for split in splits]}
            for kind, splits in facts.splits.items()
        ],
    }
    text: str = yaml.safe_dump(head, allow_unicode=True, sort_keys=False)
    return text


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
        f"{_n(counts['preferences'])} preferences in {inline(project.language)} on {_n(counts['prompts'])} prompts: of two"
        f" responses to the same prompt, which one do people choose? {_n(counts['annotators'])} annotators cast"
        f" {_n(counts['votes'])} votes on {_n(counts['pairs'])} pairs."
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
        *([_table(("Rule of curation", "Value"), rules)] if rules else []),
    ]
    for title, texts in (("Guidelines for annotators", facts.guidelines), ("System prompt of the models", facts.system_prompts)):
        for version, text in texts.items():
            if text.strip():
                parts += [f"### {title}, version {inline(version)}", block(text)]
    return parts


def _agreement(agreement: Mapping[str, object]) -> list[str]:
    coefficients = agreement.get("coefficients")
    if not isinstance(coefficients, Mapping) or not coefficients:
        return ["## Agreement", "Agreement was not measured."]
    rows = [
        (
            title,
            _figure(found.get("value")),
            _interval(found.get("low"), found.get("high")),
            _interval(found.get("wide_low"), found.get("wide_high")),
            _n(int(found.get("n") or 0)),
            inline(str(found.get("why") or "")),
        )
        for name, title in COEFFICIENTS.items()
        if isinstance(found := coefficients.get(name), Mapping)
    ]
    return [
        "## Agreement",
        _table(("Measure", "Value", "95%, other pairs", "95%, other annotators", "n", "Note"), rows),
        "The first interval says how far the value would move with other pairs and the same people, the second with other"
        " people as well. Measured over all votes of the project, not only those inside this release. The share of equal"
        " choices looks high when one choice dominates, and alpha looks low then; read them together.",
    ]


def _judges(judges: Sequence[Mapping[str, object]]) -> list[str]:
    """How models judged the pairs, and which of them judged their own family."""
    if not judges:
        return []
    rows = [
        (
            inline(str(row["judge"])),
            str(row["pairs"]),
            _figure(row["flip_share"]),
            _interval(row["flip_low"], row["flip_high"]),
            inline(str(row["relatives"])) or "none",
        )
        for row in judges
    ]
    related = [f"{inline(str(row['judge']))} judged {inline(str(row['relatives']))}" for row in judges if row["relatives"]]
    warning = f"**Judges of the generators' own family: {'; '.join(related)}.** Models favour their own." if related else ""
    return [
        "## Opinions of models",
        _table(("Judge", "Pairs, both orders", "Changed with the order", "95%", "Same family as"), rows),
        *([warning] if warning else []),
        "A judge that changes its mind with the order of the responses is counted as a tie. No opinion of a model is a vote, and"
        " none of them chose a response in this release.",
    ]


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "not defined"


def _interval(low: object, high: object) -> str:
    return "none" if low is None or high is None else f"{_figure(low)} to {_figure(high)}"


def _chosen_and_left_out(facts: CardFacts) -> list[str]:
    sources = [("a person" if source == HUMAN else inline(source), _n(count)) for source, count in facts.chosen_by_source.items()]
    parts = ["## Whose response was chosen", _table(("Source", "Times chosen"), sources)] if sources else []
    left_out = [(inline(facts.reasons.get(reason, reason)), _n(count)) for reason, count in facts.excluded.items()]
    parts += ["## What was left out", _table(("Reason", "Pairs"), left_out) if left_out else "Nothing: every pair is in."]
    rows = [
        (kind, inline(facts.reasons.get(reason, reason)), _n(count))
        for kind, counted in facts.excluded_by_format.items()
        for reason, count in counted.items()
    ]
    return [*parts, *([_table(("Configuration", "Reason", "Rows"), rows)] if rows else [])]


def _limits(project: Project) -> list[str]:
    return [
        "## Limits",
        f"- The choices are those of the annotators counted above, not of all speakers of {inline(project.language)}.\n"
        "- Responses written by models fall under the terms of those models as well; check them before you publish or sell.\n"
        "- Nobody searched the texts for personal data, errors of fact or harmful content beyond what the votes say.\n"
        "- Annotators stand under pseudonyms; their reasons and edits (`votes`, `sft`) are in their own words.",
    ]


def _licence(project: Project) -> list[str]:
    unknown = (
        "The licence of these texts is not known to the program that wrote this card: they come from a file. Whoever publishes"
        " them must state it, here and as `license` in the head of this card."
    )
    return [
        "## Licence",
        f"{LICENCES.get(project.source, unknown)} Texts brought in from other files keep the terms they came with.",
    ]


def _training(facts: CardFacts) -> list[str]:
    folder = "PATH-OF-THIS-FOLDER"
    command = training_command(list(facts.splits), folder=folder)
    parts = [f"```sh\n{command}\n```"] if command else []
    if "orpo" in facts.splits:
        parts += ["TRL trains ORPO from Python:", f"```python\n{orpo_script(folder)}\n```"]
    return ["## How to train", *parts] if parts else []


def training_command(formats: Sequence[str], *, folder: str) -> str:
    """Return the shell command that trains on the first format TRL has a command for; empty when there is none."""
    kind = next((each for each in TRAINERS if each in formats and each != "orpo"), "")
    if not kind:
        return ""
    return (
        f"pip install trl\ntrl {kind} --model_name_or_path {MODEL} \\\n"
        f"  --dataset_name {shlex.quote(folder)} --dataset_config {kind} --output_dir trained-{kind}"
    )


def orpo_script(folder: str) -> str:
    """Return the lines of Python that train ORPO on the release in `folder`."""
    return f"""from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

trainer = ORPOTrainer(
    model=AutoModelForCausalLM.from_pretrained("{MODEL}"),
    args=ORPOConfig(output_dir="trained-orpo"),
    train_dataset=load_dataset({json.dumps(folder)}, "orpo", split="train"),
    processing_class=AutoTokenizer.from_pretrained("{MODEL}"),
)
trainer.train()"""


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
