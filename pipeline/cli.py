"""Command line: one command per stage, the same functions as the pages.

Every command takes `--workspace` and `--json` (one JSON document on standard output, nothing else there; messages and
progress go to standard error). Exit 0 done, 1 refused with message and hint, 2 usage, 130 interrupted.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline import argilla_commands, curation_commands, insights, release_commands, wiring
from pipeline.adapters.evaluation import read_prompts
from pipeline.errors import PipelineError
from pipeline.export import Format, Layout, ReleaseOptions
from pipeline.judge import STYLES
from pipeline.lane import Tally
from pipeline.records import Endpoint, Runner, Summary
from pipeline.screens import Reason
from pipeline.settings import Settings
from pipeline.splits import HELD_OUT
from pipeline.studio import Studio
from pipeline.voting import BACKENDS, LOCAL

Command = Callable[[Studio, argparse.Namespace], Summary]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    options = parser().parse_args(arguments)
    try:
        studio = wiring.open_studio(Settings.from_env(os.environ, workspace=options.workspace))
        answer = options.run(studio, options)
    except PipelineError as error:
        if options.json:
            print(json.dumps({"error": error.message, "hint": error.hint}, ensure_ascii=False))
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Everything saved so far is kept; the same command goes on from there.", file=sys.stderr)
        return 130
    interrupted = bool(answer.pop("interrupted", False))
    print(json.dumps(answer, ensure_ascii=False, allow_nan=False) if options.json else _readable(answer))
    return 130 if interrupted else 0


def _readable(answer: Summary) -> str:
    """Show an answer as aligned lines; lists of rows as a table."""
    lines = []
    for name, value in answer.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines += [f"{name}:", _table(value)]
        elif isinstance(value, dict) and value and all(isinstance(one, dict) for one in value.values()):
            lines += [f"{name}:", _table([{"name": key} | one for key, one in value.items()])]
        elif isinstance(value, dict):
            lines.append(f"{name}: " + (", ".join(f"{key} {_short(one)}" for key, one in value.items()) or "none"))
        else:
            lines.append(f"{name}: {_short(value)}")
    return "\n".join(lines)


def _short(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(rows: list[Summary]) -> str:
    # Rows may differ in what they tell: formats leave rows out for reasons of their own.
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_short(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _progress(done: int, total: int) -> None:
    """Draw progress on standard error: a bar on a terminal, a line at every tenth elsewhere."""
    if sys.stderr.isatty():
        filled = 30 * done // total if total else 0
        print(
            f"\r[{'#' * filled}{'.' * (30 - filled)}] {done:,} of {total:,}",
            end="\n" if done >= total else "",
            file=sys.stderr,
            flush=True,
        )
    elif total and (done == total or done % max(1, total // 10) == 0):
        print(f"{done:,} of {total:,}", file=sys.stderr, flush=True)


def _run_progress() -> Callable[[Tally], None]:
    """Draw a run's progress: how far, how fast, what it has cost and what failed; at most ten times a second."""
    first: list[tuple[float, int]] = []
    drawn = [0.0]

    def draw(tally: Tally) -> None:
        now, asked = time.monotonic(), tally.stored + tally.failed.total()
        # Counted from the first answer on: what starts a run, a cluster for example, says nothing of its pace.
        first[:] = first or ([(now, asked)] if asked else [])
        is_last = tally.done >= tally.total
        if not is_last and now - drawn[0] < (0.1 if sys.stderr.isatty() else 5.0):
            return
        drawn[0] = now
        began, before = first[0] if first else (now, asked)
        rate = (asked - before) / max(now - began, 1e-9)
        left = f", {(tally.total - tally.done) / rate:,.0f} s left" if rate and not is_last else ""
        spent = "" if tally.cost_usd is None else f", {tally.cost_usd:.4f} US dollars"
        failed = f", {tally.failed.total():,} failed" if tally.failed else ""
        line = f"{tally.done:,} of {tally.total:,}, {rate:.1f} a second{left}{spent}{failed}"
        if tally.waiting:
            line = f"{tally.done:,} of {tally.total:,}. {tally.waiting}"
        if sys.stderr.isatty():
            filled = 30 * tally.done // tally.total if tally.total else 0
            line = f"\r[{'#' * filled}{'.' * (30 - filled)}] {line}\033[K"
        print(line, end="\n" if is_last or not sys.stderr.isatty() else "", file=sys.stderr, flush=True)

    return draw


def _endpoint(options: argparse.Namespace) -> Endpoint:
    return Endpoint(
        model=options.model,
        base_url=options.base_url[0],
        more_urls=tuple(options.base_url[1:]),
        api_key_env=options.api_key_env or "",
        concurrency=options.concurrency,
        budget_usd=options.budget,
        price_in=options.price_in,
        price_out=options.price_out,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
    )


def _judge_endpoint(options: argparse.Namespace) -> Endpoint:
    """The judge beside a generation: at the same address and under the same budget unless told otherwise."""
    addresses = [options.judge_base_url] if options.judge_base_url else options.base_url
    return Endpoint(
        model=options.judge_model,
        base_url=addresses[0],
        more_urls=tuple(addresses[1:]),
        api_key_env=options.judge_api_key_env or (options.api_key_env if not options.judge_base_url else "") or "",
        concurrency=options.concurrency,
        budget_usd=options.budget,
        price_in=options.judge_price_in,
        price_out=options.judge_price_out,
    )


def languages(studio: Studio, options: argparse.Namespace) -> Summary:
    """Rows, contributors and lengths per language."""
    frame = studio.languages(options.source, progress=_progress)
    return {"languages": json.loads(frame.to_json(orient="records", force_ascii=False))}


def new(studio: Studio, options: argparse.Namespace) -> Summary:
    """Make a project: read one language of a source and select its prompts."""
    project = studio.new_project(
        options.project,
        options.language,
        options.source,
        limit=options.limit,
        seed=options.seed,
        votes_wanted=options.votes_wanted,
        progress=_progress,
    )
    excluded = studio.store.exclusions(project.name)["reason"].value_counts()
    return studio.status(project.name).as_dict() | {"excluded": {str(reason): int(n) for reason, n in excluded.items()}}


def generate(studio: Studio, options: argparse.Namespace) -> Summary:
    """Write the missing second responses; what is stored is never asked for again."""
    endpoint = studio.priced(_endpoint(options))
    if options.preview:
        return {"preview": studio.preview(options.project, endpoint, count=options.preview, among=options.among or ())}
    return studio.generate(
        options.project,
        endpoint,
        limit=options.limit,
        among=options.among or (),
        judged_by=studio.priced(_judge_endpoint(options)) if options.judge_model else None,
        runner=Runner(options.runner),
        progress=_run_progress(),
    )


def judge(studio: Studio, options: argparse.Namespace) -> Summary:
    """Let a model compare the responses of each pair, in both orders."""
    endpoint = studio.priced(_endpoint(options))
    return studio.judge(
        options.project,
        endpoint,
        limit=options.limit,
        style=options.style,
        runner=Runner(options.runner),
        progress=_run_progress(),
    )


def screens(studio: Studio, options: argparse.Namespace) -> Summary:
    """What was noticed about the answers, by reason and model; sets aside or brings back all answers of a reason."""
    for reasons, is_out in ((options.set_aside, True), (options.bring_back, False)):
        studio.set_aside_reasons(options.project, reasons or (), is_out=is_out)
    return studio.screened(options.project)


def spend(studio: Studio, options: argparse.Namespace) -> Summary:
    """What a project has cost so far, generation and judging apart."""
    return {"spend": json.loads(studio.spend(options.project).to_json(orient="records"))}


def import_responses(studio: Studio, options: argparse.Namespace) -> Summary:
    """Take in answers made elsewhere."""
    return studio.import_responses(options.project, options.file)


def import_votes(studio: Studio, options: argparse.Namespace) -> Summary:
    """Take in a finished study: prompts, two responses each, and the votes on them."""
    return studio.import_votes(options.project, options.file, language=options.language)


def push(studio: Studio, options: argparse.Namespace) -> Summary:
    """Open the pairs for voting."""
    return studio.push(options.project, options.backend, suggest=options.suggest, progress=_progress)


def pull(studio: Studio, options: argparse.Namespace) -> Summary:
    """Bring new votes home."""
    return studio.pull(options.project)


def invite(studio: Studio, options: argparse.Namespace) -> Summary:
    """Make people annotators on the Argilla server; their first passwords are shown once."""
    return studio.invite(options.people)


def status(studio: Studio, options: argparse.Namespace) -> Summary:
    """Where each project stands: funnel, jobs, spend."""
    names = [options.project] if options.project else [project.name for project in studio.store.projects()]
    return {"projects": [studio.status(name).as_dict() for name in names]}


def agreement(studio: Studio, options: argparse.Namespace) -> Summary:
    """How far the annotators agree, each number with its interval and n."""
    return studio.agreement(options.project) | insights.look_closer(studio.store, options.project)


def export(studio: Studio, options: argparse.Namespace) -> Summary:
    """Write the training files, a dataset card and a manifest."""
    chosen = ReleaseOptions(
        layout=Layout(options.layout),
        with_system=options.system_prompt,
        held_out=options.held_out,
        evaluation=read_prompts(options.leave_out) if options.leave_out else (),
        evaluation_name=options.leave_out.name if options.leave_out else "",
        jsonl=options.jsonl,
    )
    written = studio.export(
        options.project, options.format, out_dir=options.out, options=chosen, try_training=options.try_training
    )
    return written.as_json()


def demo(studio: Studio, options: argparse.Namespace) -> Summary:
    """A project from the demonstration sample, ready to look at."""
    return studio.status(studio.demo(options.language).name).as_dict()


def parser() -> argparse.ArgumentParser:
    """Build the parser: one sub-command per stage."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--workspace", metavar="DIR", help="where everything is kept (default: STUDIO_WORKSPACE, else ./workspace)"
    )
    common.add_argument("--json", action="store_true", help="one JSON document on standard output")
    root = argparse.ArgumentParser(
        prog="python -m pipeline", description="From Aya prompts to a preference dataset, one step at a time."
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Command, *, project: bool = True) -> argparse.ArgumentParser:
        summary = (run.__doc__ or "").strip().splitlines()[0]
        command = commands.add_parser(name, parents=[common], help=summary, description=summary)
        command.set_defaults(run=run)
        if project:
            command.add_argument("project", metavar="PROJECT", help="the project's name")
        return command

    sources = "hub (the whole Aya dataset), sample (the demonstration) or the path of a Parquet, CSV or JSONL file"
    one = add("languages", languages, project=False)
    one.add_argument("--source", default=None, metavar="hub|sample|PATH", help=f"{sources}; default: the published figures")
    one = add("new", new)
    one.add_argument("--language", required=True, help="a language as Aya names it, e.g. Dutch")
    one.add_argument("--source", required=True, metavar="hub|sample|PATH", help=sources)
    one.add_argument("--limit", type=_positive, help="keep at most N prompts, drawn with the seed")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--votes-wanted", type=_positive, default=3, help="votes wanted on each pair (default 3)")
    _generate_options(add("generate", generate))
    _judge_options(add("judge", judge))
    one = add("screens", screens)
    for option, words in (("--set-aside", "set all answers of a reason aside"), ("--bring-back", "bring them back")):
        one.add_argument(option, action="append", choices=[str(reason) for reason in Reason], help=words)
    add("spend", spend)
    one = add("import-responses", import_responses)
    one.add_argument("file", type=Path, metavar="FILE", help="JSONL or Parquet with prompt_id or prompt, response, model")
    one = add("import-votes", import_votes)
    one.add_argument(
        "file", type=Path, metavar="FILE", help="JSONL: prompt, response_a, response_b, source_a, source_b, annotator, choice"
    )
    one.add_argument("--language", help="makes the project if there is none")
    one = add("push", push)
    one.add_argument("--backend", choices=BACKENDS, default=LOCAL, help="where people vote (default: the Annotate page)")
    one.add_argument("--suggest", action="store_true", help="in Argilla, show annotators what the judge thinks; it sways them")
    add("pull", pull)
    add("invite", invite, project=False).add_argument("people", nargs="+", metavar="NAME", help="user names to sign in with")
    add("status", status, project=False).add_argument("project", nargs="?", metavar="PROJECT")
    add("agreement", agreement)
    curation_commands.add_to(add)
    _export_options(add("export", export))
    release_commands.add_to(add)
    argilla_commands.add_to(add)
    one = add("demo", demo, project=False)
    one.add_argument("--language", default="English", help="a language of the demonstration sample (default English)")
    return root


def _endpoint_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", required=True, metavar="M", help="the model's id at the endpoint")
    command.add_argument(
        "--base-url",
        required=True,
        action="append",
        metavar="URL",
        help="an OpenAI-compatible endpoint, e.g. http://localhost:11434/v1; give several that serve the same model",
    )
    command.add_argument("--api-key-env", metavar="VAR", help="name of the environment variable that holds the key")
    command.add_argument("--concurrency", type=_positive, default=16, metavar="N", help="requests under way at once (default 16)")
    command.add_argument("--budget", type=float, metavar="USD", help="stop before more than this is spent; needs both prices")
    command.add_argument("--price-in", type=float, metavar="USD", help="price of a million tokens read")
    command.add_argument("--price-out", type=float, metavar="USD", help="price of a million tokens written")
    command.add_argument("--temperature", type=float, metavar="T", help="from 0 to 2 (default: the server's own)")
    command.add_argument("--max-tokens", type=_positive, default=1024, metavar="N", help="longest answer (default 1024)")
    command.add_argument("--limit", type=_positive, metavar="N", help="ask for at most N answers in this run")


def _generate_options(command: argparse.ArgumentParser) -> None:
    _endpoint_options(command)
    command.add_argument("--among", action="append", metavar="M", help="draw each prompt for one of these models; give each once")
    command.add_argument(
        "--preview", type=_positive, metavar="K", help="ask for K answers, show them, and make no pairs of them yet"
    )
    command.add_argument("--judge-model", metavar="M", help="let this model rate each answer as it comes")
    command.add_argument("--judge-base-url", metavar="URL", help="where the judge answers (default: the same address)")
    command.add_argument("--judge-api-key-env", metavar="VAR", help="name of the variable that holds the judge's key")
    command.add_argument("--judge-price-in", type=float, metavar="USD", help="price of a million tokens the judge reads")
    command.add_argument("--judge-price-out", type=float, metavar="USD", help="price of a million tokens the judge writes")
    command.add_argument(
        "--runner", choices=tuple(map(str, Runner)), default=str(Runner.LOCAL), help="who asks; see docs/scale.md"
    )


def _judge_options(command: argparse.ArgumentParser) -> None:
    _endpoint_options(command)
    command.add_argument("--runner", choices=(str(Runner.LOCAL), str(Runner.RAY)), default=str(Runner.LOCAL), help="who asks")
    command.add_argument(
        "--style", choices=STYLES, default=STYLES[0], help="rate both answers from 1 to 5, or choose the better one"
    )


def _export_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=(*map(str, Format), "all"), action="append", required=True)
    command.add_argument("--out", type=Path, metavar="DIR", help="a new folder for the release (default: one in the workspace)")
    command.add_argument(
        "--layout", choices=tuple(map(str, Layout)), default=str(Layout.MESSAGES), help="how the rows are laid out"
    )
    command.add_argument("--system-prompt", action="store_true", help="with the system prompt the models were asked under")
    command.add_argument("--held-out", type=int, default=HELD_OUT, metavar="N", help=f"prompts for testing (default {HELD_OUT})")
    command.add_argument("--leave-out", type=Path, metavar="FILE", help="an evaluation set whose prompts stay out of the release")
    command.add_argument("--jsonl", action="store_true", help="each file as lines of JSON too, for programs that read no Parquet")
    command.add_argument("--try-training", action="store_true", help="run five steps of each recipe first; needs TRL")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return value
