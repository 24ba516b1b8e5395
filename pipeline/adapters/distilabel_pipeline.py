"""distilabel pipeline: the same requests asked by a plain distilabel `Pipeline`, over our LLM and our store.

The command runs it in a process of its own and follows it in the store; the run after it takes the answers over.
"""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pipeline.adapters.distilabel_engine import quiet_distilabel
from pipeline.adapters.ledger import Ledger
from pipeline.adapters.store import Store
from pipeline.errors import BackendError, EndpointError
from pipeline.lane import Tally
from pipeline.owners import new_owner
from pipeline.records import Endpoint, Prompt
from pipeline.runner import DRAIN_S
from pipeline.terms import price

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from pipeline.adapters.distilabel_llm import EndpointLLM

ROOT = Path(__file__).resolve().parent.parent.parent
BATCH = 1000
"""Prompts in a batch: distilabel waits for the slowest of each, so there should be few."""

LOOK_S = 0.5
"""How often the command looks how far its pipeline is."""


def build(llm: "EndpointLLM", rows: list[dict[str, str]], *, cache_dir: str | None = None) -> "Pipeline":
    """Return the pipeline that answers rows of `instruction` and `system_prompt`."""
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    with Pipeline(name="second-answers", cache_dir=cache_dir) as pipeline:
        prompts = LoadDataFromDicts(data=rows, batch_size=BATCH)
        answers = TextGeneration(name="generate", llm=llm, input_batch_size=BATCH, use_cache=False)
        prompts >> answers
    return pipeline


def ask(
    store: Store,
    workspace: Path,
    project: str,
    endpoint: Endpoint,
    prompts: Sequence[Prompt],
    *,
    system_prompt: tuple[str, str],
    on_progress: Callable[[Tally], None],
    should_stop: Callable[[], bool],
) -> Tally:
    """Run the pipeline over these prompts in a process of its own; return what it brought into the store.

    `system_prompt`: its version and its text, as `Store.document` returns them.

    Raises:
        EndpointError: The server refuses every request, or too many failed in a row.
        BackendError: The pipeline broke. What was saved before stays saved.
    """
    ledger, started = Ledger(store), time.monotonic()
    before = _spent(ledger, project, endpoint.model)

    def so_far() -> Tally:
        brought = {name: value - before[name] for name, value in _spent(ledger, project, endpoint.model).items()}
        return Tally(
            total=len(prompts),
            stored=int(brought["answers"]),
            tokens_in=int(brought["tokens_in"]),
            tokens_out=int(brought["tokens_out"]),
            cost_usd=brought["cost_usd"] if price(endpoint, 0, 0) is not None else None,
            seconds=time.monotonic() - started,
        )

    ends_at = math.inf
    with tempfile.TemporaryDirectory(prefix="studio-distilabel-") as folder:
        refusal = Path(folder) / "refusal.json"
        with _process(_told(workspace, project, endpoint, prompts, system_prompt, refusal)) as process:
            try:
                while process.poll() is None and time.monotonic() < ends_at:
                    if ends_at == math.inf and should_stop():
                        ends_at = time.monotonic() + DRAIN_S
                        _to_all(process.pid, lambda one: one.send_signal(signal.SIGINT))
                    on_progress(so_far())
                    time.sleep(LOOK_S)
            finally:
                _to_all(process.pid, psutil.Process.kill)
        if refusal.exists():
            message, hint = json.loads(refusal.read_text(encoding="utf-8"))
            raise EndpointError(message, hint=hint)
    if process.returncode and not should_stop():
        raise BackendError(
            "The distilabel pipeline ended with an error; its messages are above, or in the log of the run.",
            hint="Everything saved so far is kept. Start again, or leave --runner out.",
        )
    return so_far()


def _spent(ledger: Ledger, project: str, model: str) -> dict[str, float]:
    """What the answers of a model took so far."""
    spend = ledger.spend(project)
    rows = spend[(spend["purpose"] == "generate") & (spend["model"] == model)]
    return {name: float(rows[name].sum()) for name in ("answers", "tokens_in", "tokens_out", "cost_usd")}


def _told(
    workspace: Path,
    project: str,
    endpoint: Endpoint,
    prompts: Sequence[Prompt],
    system_prompt: tuple[str, str],
    refusal: Path,
) -> bytes:
    """What the process of the pipeline must know. It reads the key and the database's address from its environment."""
    terms, (version, text) = asdict(endpoint), system_prompt
    llm = {
        "model": terms.pop("model"),
        "base_url": terms.pop("base_url"),
        "generation_kwargs": {"max_new_tokens": terms.pop("max_tokens"), "temperature": terms.pop("temperature")},
        "workspace": str(workspace),
        "project": project,
        "terms": terms,
        "system_prompt_version": version,
        "owner": new_owner(),
        "refusal_path": str(refusal),
    }
    rows = [{"instruction": one.text, "system_prompt": text} for one in prompts]
    return json.dumps({"llm": llm, "rows": rows}).encode()


@contextmanager
def _process(told: bytes) -> "Iterator[subprocess.Popen[bytes]]":
    """A process of its own for the pipeline: distilabel forks, which a process with threads should not."""
    command = [sys.executable, "-m", "pipeline.adapters.distilabel_pipeline"]
    with subprocess.Popen(  # noqa: S603  # our own interpreter, no shell
        command,
        cwd=ROOT,
        env=os.environ | {"DISTILABEL_LOG_LEVEL": "ERROR"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(told)
        process.stdin.close()
        yield process


def _to_all(pid: int, send: Callable[[psutil.Process], None]) -> None:
    """Send a signal to the pipeline and the processes of its steps."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                send(one)


def main() -> None:
    """Run the pipeline that standard input describes."""
    told = json.load(sys.stdin)
    with quiet_distilabel(), tempfile.TemporaryDirectory(prefix="studio-distilabel-") as folder:
        from pipeline.adapters.stored_llm import StoredLLM

        llm = StoredLLM(api_key="none", **told["llm"])
        build(llm, told["rows"], cache_dir=folder).run(use_cache=False)


if __name__ == "__main__":
    main()
