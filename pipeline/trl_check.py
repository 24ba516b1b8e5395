"""TRL check: what does TRL itself make of a release? A script that runs where TRL is, and imports nothing of the program.

    python trl_check.py functions FOLDER dpo kto ...    TRL's data functions on every row of each configuration
    python trl_check.py train FOLDER dpo orpo kto       five steps of each recipe, with a tiny model made on the spot

Prints one line of JSON; ends with an error, whose last line says which row or trainer it was, where TRL refuses. Read
against TRL 1.16. A tiny model learns nothing: that the steps run and the loss is a number is all it shows.
"""

import contextlib
import json
import math
import runpy
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

STEPS = 5
PAIRED = ("dpo", "orpo", "reward")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_model(folder: Path, texts: list[str]) -> None:
    """Save a random Llama of two layers, and a tokenizer of its own that has seen these texts."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer, pieces.decoder = bytes_of, decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=bytes_of.alphabet(), show_progress=False
    )
    pieces.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="<pad>", bos_token="<s>", eos_token="<|im_end|>")  # noqa: S106
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=8192,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=4,
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _words(value: Any) -> list[str]:
    if isinstance(value, list):
        return [message["content"] for message in value]
    return [value] if isinstance(value, str) else []


def _texts(rows: Any, limit: int = 200) -> list[str]:
    names = ("prompt", "chosen", "rejected", "completion", "messages")
    return [text for row in rows.select(range(min(limit, len(rows)))) for name in names for text in _words(row.get(name))]


def _load(folder: Path, kind: str, cache: str) -> Any:
    from datasets import load_dataset

    return load_dataset(str(folder), kind, cache_dir=cache)


def functions(folder: Path, kinds: list[str]) -> dict[str, Any]:
    """Put every row of each configuration through the functions TRL's trainers use; return the rows by configuration."""
    from transformers import AutoTokenizer
    from trl.data_utils import is_conversational, maybe_apply_chat_template, maybe_extract_prompt, unpair_preference_dataset

    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as made:
        loaded = {kind: _load(folder, kind, f"{made}/cache") for kind in kinds}
        make_model(Path(made), _texts(next(iter(loaded.values()))["train"]))
        tokenizer = AutoTokenizer.from_pretrained(made)
        for kind, splits in loaded.items():
            for rows in splits.values():
                for row in rows:
                    _check_row(kind, row, tokenizer, is_conversational, maybe_extract_prompt, maybe_apply_chat_template)
                if kind in PAIRED:
                    columns = [name for name in rows.column_names if name not in ("prompt", "chosen", "rejected")]
                    asked = rows.map(maybe_extract_prompt).remove_columns(columns)
                    if len(unpair_preference_dataset(asked)) != 2 * len(rows):
                        raise SystemExit(f"{kind}: unpaired, the rows are not twice as many")
                counts[kind] = counts.get(kind, 0) + len(rows)
    return {"rows": counts, "trl": version("trl")}


def _check_row(kind: str, row: dict[str, Any], tokenizer: Any, is_conversational: Any, extract: Any, apply: Any) -> None:
    sides = ("chosen", "rejected") if kind in PAIRED else ("messages",) if "messages" in row else ("completion",)
    example = {name: row[name] for name in ("prompt", *sides) if name in row}
    whole = extract(example)
    told = apply(whole, tokenizer)
    where = f"{kind}, pair {row.get('pair_id')}"
    if is_conversational(whole) != isinstance(row[sides[0]], list):
        raise SystemExit(f"{where}: TRL takes a conversation for plain text, or the other way round")
    for side in sides:
        said = _words(whole[side])
        # By who speaks, not by the words: a weak model may answer with the prompt, and somebody may have preferred that.
        if "prompt" in whole and isinstance(whole[side], list) and whole[side][0]["role"] == "user":
            raise SystemExit(f"{where}: the prompt is said twice")
        text = told["text"] if side == "messages" else told[side]
        if not text.strip() or said[-1] not in text:
            raise SystemExit(f"{where}: its {side} is lost in the template")
    if len(sides) == 2 and told[sides[0]] == told[sides[1]]:
        raise SystemExit(f"{where}: both sides are the same for TRL")


def train(folder: Path, kinds: list[str]) -> dict[str, Any]:
    """Run five steps of each recipe as a person would, on the CPU; return steps, rows and losses by trainer."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as made, contextlib.chdir(folder):
        for kind in kinds:
            rows = _load(folder, kind, f"{made}/cache")["train"]
            make_model(Path(made) / "model", _texts(rows))
            output = Path(made) / kind
            options = {
                "dataset_name": folder,
                "model_name_or_path": Path(made) / "model",
                "output_dir": output,
                "max_steps": STEPS,
                "save_steps": STEPS,
                "save_strategy": "steps",
                "per_device_train_batch_size": 4,
                "gradient_accumulation_steps": 1,
                "logging_steps": 1,
                "report_to": "none",
                "use_cpu": "true",
                "bf16": "false",
                "gradient_checkpointing": "false",
                "disable_tqdm": "true",
                "eval_strategy": "no",
            }
            words = (word for name, value in options.items() for word in (f"--{name}", str(value)))
            sys.argv = [kind, "--config", f"recipes/{kind}.yaml", *words]
            if kind == "orpo":
                runpy.run_path("recipes/train_orpo.py", run_name="__main__")
            else:
                runpy.run_module(f"trl.scripts.{kind}", run_name="__main__", alter_sys=False)
            state = json.loads((output / f"checkpoint-{STEPS}" / "trainer_state.json").read_text(encoding="utf-8"))
            losses = [round(float(entry["loss"]), 3) for entry in state["log_history"] if "loss" in entry]
            if len(losses) != STEPS or not all(math.isfinite(loss) for loss in losses):
                raise SystemExit(f"{kind}: the losses were {losses}")
            results[kind] = {"steps": STEPS, "rows": len(rows), "losses": losses}
    return {"trainers": results, "versions": {name: version(name) for name in ("trl", "transformers", "torch")}}


if __name__ == "__main__":
    task = {"functions": functions, "train": train}[sys.argv[1]]
    print(json.dumps(task(Path(sys.argv[2]).resolve(), sys.argv[3:])))
