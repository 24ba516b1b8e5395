"""Recipes: how should somebody train on this release, and why so?

Contents come in; files to lay into the release go out: YAML for TRL, LLaMA-Factory and Axolotl, with every value that was
taken from the data explained beside it. What is not said is left to the trainer's own default. Reads no files, writes none.
Option names as TRL 1.16 and the sources of LLaMA-Factory and Axolotl have them; the TRL files are run by `trl_check.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contents import ROWS_AT_ONCE, Contents
from pipeline.estimates import BYTES_PER_TOKEN, TOKENS_AROUND, most_tokens
from pipeline.intervals import wilson
from pipeline.shapes import PAIRED, RAW, Format, Layout, Split

MODEL = "Qwen/Qwen2.5-0.5B-Instruct"
FOLDER = "recipes"
RECIPES = (Format.DPO, Format.ORPO, Format.KTO)
TRL_LAYOUTS = (Layout.MESSAGES, Layout.IMPLICIT, Layout.TEXT)
"""Layouts whose every row TRL reads as it is meant."""
PROGRAMS = {
    **dict.fromkeys(TRL_LAYOUTS, "TRL 1.16"),
    Layout.HANDBOOK: "the alignment handbook",
    Layout.LLAMA_FACTORY: "LLaMA-Factory",
    Layout.AXOLOTL: "Axolotl",
}
"""What reads each layout."""

TEMPLATE_TOKENS = 2 * TOKENS_AROUND
"""Around the prompt and around the answer."""
LENGTHS = (512, 1024, 2048, 4096, 8192)
LEAST_DISAGREEMENT = 0.02
MOST_SMOOTHING = 0.4
MEASURED_FROM = 1.5
"""With fewer votes on a pair on average, disagreement cannot show."""
KTO_RATIO = (1.0, 4 / 3)
"""Weight times count of the wanted over that of the unwanted answers, as Ethayarajh et al. (2024) recommend it."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the recipes are drawn from, measured on the training part alone.

    `votes_each` is the mean number of votes on a pair; `tokens` is the 99th percentile of prompt with answer, by the rule
    of thumb, and `longest` the largest; `against` the mean share of the votes that went to the rejected answer;
    `longer_share` (95 %: `longer_low` up) how often the longer answer was chosen, of `longer_n` pairs of unequal length;
    `wanted` and `unwanted` count the answers in `kto`.
    """

    pairs: int
    votes_each: float
    tokens: int
    longest: int
    against: float
    longer_n: int
    longer_share: float
    longer_low: float
    wanted: int
    unwanted: int


Setting = tuple[str, object, str]
"""An option, its value, and why; the reason is empty where there is nothing to explain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to train on one format of a release: the command, run in its folder, and what its file at `path` settles."""

    kind: Format
    path: str
    command: str
    settings: tuple[Setting, ...]

    @property
    def reasoned(self) -> list[Setting]:
        """The settings that were chosen for a reason."""
        return [setting for setting in self.settings if setting[2]]


def measure(contents: Contents) -> Measured:
    """Measure what the recipes need; numbers are 0 where a format is not in the release."""
    parts = [frame for (kind, split), frame in contents.frames.items() if kind in PAIRED and split is Split.TRAIN]
    kto = contents.frames.get((Format.KTO, Split.TRAIN))
    wanted = int(kto["label"].sum()) if kto is not None else 0
    unwanted = len(kto) - wanted if kto is not None else 0
    if not parts:
        return _measured(_sizes(contents, kto, "completion")[0] if kto is not None else np.zeros(1), wanted, unwanted)
    pairs = parts[0]
    tokens, chosen, rejected = _sizes(contents, pairs, "chosen", "rejected")
    n, longer = int((chosen != rejected).sum()), int((chosen > rejected).sum())
    low, _ = wilson(np.array([longer]), np.array([n]))
    return _measured(
        tokens,
        wanted,
        unwanted,
        pairs=len(pairs),
        votes_each=float(pairs["n_votes"].mean()),
        against=float(pairs["score_rejected"].mean()),
        longer_n=n,
        longer_share=longer / n if n else 0.0,
        longer_low=float(low[0]) if n else 0.0,
    )


def _sizes(contents: Contents, rows: pd.DataFrame, *sides: str) -> list[Numbers]:
    """At most how many tokens the prompt with its longest answer is, and how many characters each answer has, row by row."""
    found = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        texts = contents.complete(rows.iloc[start : start + ROWS_AT_ONCE], ("prompt", *sides))
        prompt, *answers = (pa.array(texts[name], pa.large_string()) for name in ("prompt", *sides))
        longest = np.maximum.reduce([pc.binary_length(each).to_numpy() for each in answers])
        tokens = most_tokens(pc.binary_length(prompt).to_numpy() + longest) + TEMPLATE_TOKENS
        found.append([tokens, *(pc.utf8_length(each).to_numpy() for each in answers)])
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _measured(tokens: Numbers, wanted: int, unwanted: int, **of_pairs: float) -> Measured:
    found = dict.fromkeys(("pairs", "votes_each", "against", "longer_n", "longer_share", "longer_low"), 0.0) | of_pairs
    return Measured(
        pairs=int(found["pairs"]),
        votes_each=found["votes_each"],
        tokens=int(np.ceil(np.quantile(tokens, 0.99))),
        longest=int(tokens.max()),
        against=found["against"],
        longer_n=int(found["longer_n"]),
        longer_share=found["longer_share"],
        longer_low=found["longer_low"],
        wanted=wanted,
        unwanted=unwanted,
    )


def draw(contents: Contents) -> list[Recipe]:
    """Return a recipe for each format of a release that one is known for, in its layout."""
    found, layout = measure(contents), contents.options.layout
    kinds = [kind for kind in RECIPES if (kind, Split.TRAIN) in contents.frames]
    if layout is Layout.LLAMA_FACTORY:
        drawn = {kind: _llama_factory(kind, found) for kind in kinds}
    elif layout is Layout.AXOLOTL:
        drawn = {kind: _axolotl(kind, found) for kind in kinds}
    else:
        drawn = {kind: _trl(kind, contents, found) for kind in kinds if layout in TRL_LAYOUTS}
    return [
        Recipe(kind=kind, path=path_of(kind, layout), command=command(kind, layout), settings=tuple(settings))
        for kind, settings in drawn.items()
    ]


def recipes(contents: Contents) -> dict[str, str]:
    """Return the files that go with a release, by path in its folder."""
    drawn, layout = draw(contents), contents.options.layout
    files = {recipe.path: _yaml(recipe, PROGRAMS[layout]) for recipe in drawn}
    if f"{FOLDER}/orpo.yaml" in files:
        files[f"{FOLDER}/train_orpo.py"] = ORPO_SCRIPT
    if layout is Layout.LLAMA_FACTORY:
        files["dataset_info.json"] = _dataset_info(contents)
    return files


def path_of(kind: str, layout: Layout) -> str:
    """Return where the recipe of a format stands in a release."""
    program = f"{layout}-" if layout in (Layout.LLAMA_FACTORY, Layout.AXOLOTL) else ""
    return f"{FOLDER}/{program}{kind}.yaml"


def command(kind: str, layout: Layout = Layout.MESSAGES) -> str:
    """Return the one command that trains on a format, in the folder of the release; empty where none is known."""
    recipe = path_of(kind, layout)
    if kind in RECIPES and layout is Layout.LLAMA_FACTORY:
        return f"llamafactory-cli train {recipe}"
    if kind in RECIPES and layout is Layout.AXOLOTL:
        return f"axolotl train {recipe}"
    if kind in RAW or layout not in TRL_LAYOUTS:
        return ""
    if kind not in RECIPES:
        # Nothing about these was measured: TRL's own defaults.
        options = f"--model_name_or_path {MODEL} --dataset_config {kind} --output_dir trained-{kind}"
        return f'trl {kind} {options} --dataset_name "$PWD"'
    program = f"python {FOLDER}/train_orpo.py" if kind == Format.ORPO else f"trl {kind}"
    # Not in the file: `datasets` does not load ".", and a path of this computer would be wrong on any other.
    return f'{program} --config {recipe} --dataset_name "$PWD"'


def _trl(kind: Format, contents: Contents, found: Measured) -> list[Setting]:
    has_test = (kind, Split.TEST) in contents.frames
    settings: list[Setting] = [
        ("model_name_or_path", MODEL, "Any chat model of your language; a small one to begin with."),
        ("dataset_config", str(kind), ""),
        ("output_dir", f"trained-{kind}", ""),
        ("eval_strategy", "epoch" if has_test else "no", "" if has_test else "Nothing is held out: there are too few prompts."),
        _max_length("max_length", found),
    ]
    return [*settings, *{Format.DPO: _dpo, Format.ORPO: _orpo, Format.KTO: _kto}[kind](found)]


def _max_length(name: str, found: Measured) -> Setting:
    enough = length_limit(found)
    most = f"99 % of the rows have at most {found.tokens:,} tokens, prompt and answer (the longest {found.longest:,})"
    why = f"{most}, at one for {BYTES_PER_TOKEN[1]:g} bytes, and {TEMPLATE_TOKENS} for the template."
    return name, enough, why


def length_limit(found: Measured) -> int:
    """Return how many tokens of a row a trainer should keep."""
    return next((length for length in LENGTHS if length >= found.tokens), LENGTHS[-1])


def _dpo(found: Measured) -> list[Setting]:
    settings: list[Setting] = []
    if found.against >= LEAST_DISAGREEMENT:
        settings += [
            ("loss_type", ["robust"], "DPO that reckons with wrong labels (Chowdhury et al. 2024)."),
            (
                "label_smoothing",
                _smoothing(found),
                f"{found.against:.1%} of the votes on these pairs were for the rejected answer.",
            ),
        ]
    else:
        why = f"Hardly anybody disagreed: {found.against:.1%} of the votes were for the rejected answer."
        alone = "One vote on each pair: how far people disagree is not known."
        settings.append(("loss_type", ["sigmoid"], alone if found.votes_each < MEASURED_FROM else why))
    if found.longer_low > 0.5:
        settings.append(
            ("ld_alpha", 0.5, f"{_longer(found)} Words beyond the shorter answer weigh half (LD-DPO, Liu et al. 2024).")
        )
    return settings


def _smoothing(found: Measured) -> float:
    return round(min(found.against, MOST_SMOOTHING), 2)


def _longer(found: Measured) -> str:
    return f"The longer answer was chosen in {found.longer_share:.0%} of {found.longer_n:,} pairs, so length would be learned."


def _orpo(found: Measured) -> list[Setting]:
    why = f"{_longer(found)} ORPO divides by length already." if found.longer_low > 0.5 else ""
    return [("beta", 0.1, why)]


def _kto(found: Measured) -> list[Setting]:
    wanted, unwanted = kto_weights(found.wanted, found.unwanted)
    counts = f"{found.wanted:,} wanted and {found.unwanted:,} unwanted answers;"
    why = f"{counts} weight times count should be 1 to 4/3 (Ethayarajh et al. 2024)."
    return [
        ("desirable_weight", wanted, why),
        ("undesirable_weight", unwanted, ""),
        ("per_device_train_batch_size", 4, "KTO compares within a batch: not 1."),
    ]


def kto_weights(wanted: int, unwanted: int) -> tuple[float, float]:
    """Return the weights that bring weight times count of wanted over unwanted answers to between 1 and 4/3."""
    if not wanted or not unwanted or KTO_RATIO[0] <= wanted / unwanted <= KTO_RATIO[1]:
        return 1.0, 1.0
    if wanted < unwanted:
        return round(unwanted / wanted + 0.005, 2), 1.0
    return 1.0, round(wanted / unwanted / KTO_RATIO[1] + 0.005, 2)


def _llama_factory(kind: Format, found: Measured) -> list[Setting]:
    settings: list[Setting] = [
        ("model_name_or_path", MODEL, ""),
        ("stage", "kto" if kind is Format.KTO else "dpo", ""),
        ("do_train", True, ""),
        ("finetuning_type", "lora", ""),
        ("dataset_dir", ".", "This folder, whose dataset_info.json describes the files."),
        ("dataset", f"{kind}_train", ""),
        ("template", "qwen", "That of the model; name another when you change the model."),
        ("output_dir", f"trained-{kind}", ""),
        _max_length("cutoff_len", found),
    ]
    if kind is Format.KTO:
        wanted, unwanted = kto_weights(found.wanted, found.unwanted)
        counts = f"{found.wanted:,} wanted and {found.unwanted:,} unwanted answers."
        settings += [("kto_chosen_weight", wanted, counts), ("kto_rejected_weight", unwanted, "")]
    else:
        settings.append(("pref_loss", "orpo" if kind is Format.ORPO else "sigmoid", ""))
    if kind is Format.DPO and found.against >= LEAST_DISAGREEMENT:
        settings.append(
            ("dpo_label_smoothing", _smoothing(found), f"{found.against:.1%} of the votes were for the rejected answer.")
        )
    return settings


def _dataset_info(contents: Contents) -> str:
    system = {"system": "system"} if contents.options.with_system else {}
    described: dict[str, object] = {}
    for kind, split in contents.frames:
        answer = {Format.KTO: {"response": "completion", "kto_tag": "label"}, Format.SFT: {"response": "completion"}}
        sides = answer.get(kind, {"chosen": "chosen", "rejected": "rejected"}) if kind in (*PAIRED, *answer) else None
        if sides:
            described[f"{kind}_{split}"] = {
                "file_name": f"{kind}/{split}.parquet",
                **({"ranking": True} if kind in PAIRED else {}),
                "columns": {"prompt": "prompt", **system, **sides},
            }
    return json.dumps(described, indent=2) + "\n"


def _axolotl(kind: Format, found: Measured) -> list[Setting]:
    reader: Mapping[str, object] = {
        "type": "chatml.ultra" if kind is Format.KTO else "chat_template.default",
        "path": f"{kind}/train.parquet",
        "ds_type": "parquet",
        "split": "train",
    }
    if kind is not Format.KTO:
        reader = {**reader, "field_messages": "prompt", "field_chosen": "chosen", "field_rejected": "rejected"}
    settings: list[Setting] = [
        ("base_model", MODEL, ""),
        ("rl", str(kind), ""),
        ("chat_template", "chatml" if kind is Format.KTO else "tokenizer_default", ""),
        ("datasets", [dict(reader)], ""),
        ("output_dir", f"trained-{kind}", ""),
        ("micro_batch_size", 4 if kind is Format.KTO else 1, "KTO compares within a batch: not 1." if kind is Format.KTO else ""),
        ("num_epochs", 1, ""),
        ("learning_rate", 0.000001, ""),
        _max_length("sequence_len", found),
    ]
    if kind is Format.DPO and found.against >= LEAST_DISAGREEMENT:
        settings.append(
            ("dpo_label_smoothing", _smoothing(found), f"{found.against:.1%} of the votes were for the rejected answer.")
        )
    if kind is Format.KTO:
        wanted, unwanted = kto_weights(found.wanted, found.unwanted)
        counts = f"{found.wanted:,} wanted and {found.unwanted:,} unwanted answers."
        settings += [("kto_desirable_weight", wanted, counts), ("kto_undesirable_weight", unwanted, "")]
    return settings


def _yaml(recipe: Recipe, program: str) -> str:
    lines = [f"# {recipe.kind.upper()} with {program}. In the folder of this release:", f"# {recipe.command}"]
    for name, value, why in recipe.settings:
        lines += [f"# {why}"] if why else []
        # JSON is YAML, and has one way to write each value.
        lines.append(f"{name}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


ORPO_SCRIPT = '''"""ORPO with TRL, which has no command for it: see recipes/orpo.yaml."""

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import ModelConfig, ScriptArguments, TrlParser
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

script, training, chosen = TrlParser((ScriptArguments, ORPOConfig, ModelConfig)).parse_args_and_config()
rows = load_dataset(script.dataset_name, script.dataset_config)
trainer = ORPOTrainer(
    model=AutoModelForCausalLM.from_pretrained(chosen.model_name_or_path),
    args=training,
    train_dataset=rows["train"],
    eval_dataset=rows["test"] if training.eval_strategy != "no" else None,
    processing_class=AutoTokenizer.from_pretrained(chosen.model_name_or_path),
)
trainer.train()
trainer.save_model(training.output_dir)
'''
"""What runs an ORPO recipe."""
