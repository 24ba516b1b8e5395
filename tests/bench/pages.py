"""Pages: seconds from start to the first chart, rerun time of each page, and memory of the server.

Three workspaces: the demonstration project (as a new user has it), a project of the largest language of 202,362
synthetic Aya-shaped rows with an answer to each prompt and two votes on each pair, and the Languages page over all rows.
A rerun is a script run from the browser's message to the end of the run, measured through the websocket of the real
server, the first one of a session apart from those after it.
"""

import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psutil
import websockets
from playwright.sync_api import sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from pipeline import wiring
from pipeline.adapters import hub, parquet
from pipeline.records import Choice, Response, Vote, response_id
from pipeline.settings import Settings
from tests.bench import synthetic
from tests.browser.conftest import ARGUMENTS
from tests.serving import free_port, start

PAGES = ("", "languages", "generate", "annotate", "progress", "agreement", "curate", "export")
RERUNS = 7
LARGEST = "Plateau Malagasy"


async def rerun_times(address: str, page: str, query: str) -> list[float]:
    """Milliseconds of each script run of one session on a page, the first included."""
    times = []
    url = address.replace("http", "ws", 1) + "/_stcore/stream"
    async with websockets.connect(url, subprotocols=["streamlit"], max_size=None) as socket:
        for _ in range(RERUNS + 1):
            message = BackMsg()
            message.rerun_script.query_string = query
            message.rerun_script.page_name = page
            begun = time.perf_counter()
            await socket.send(message.SerializeToString())
            await _finished(socket)
            times.append((time.perf_counter() - begun) * 1000)
    return times


async def _finished(socket: websockets.ClientConnection) -> None:
    while True:
        message = ForwardMsg()
        message.ParseFromString(await asyncio.wait_for(socket.recv(), timeout=120))
        if message.WhichOneof("type") == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return


def first_chart(workspace: Path) -> tuple[float, float]:
    """Start a server on an empty workspace; return seconds to the first chart in a browser, and its memory in MB."""
    port, begun = free_port(), time.perf_counter()
    process = start(workspace, port)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
        page = browser.new_page()
        page.goto(f"http://localhost:{port}")
        page.locator(".js-plotly-plot").first.wait_for(timeout=120_000)
        seconds = time.perf_counter() - begun
        browser.close()
    memory = psutil.Process(process.pid).memory_info().rss / 1e6
    process.terminate()
    process.wait()
    return seconds, memory


def fill_large(workspace: Path, rows: Path) -> str:
    """A project of every prompt of the largest language, answered, with two votes on each pair."""
    opened = wiring.open_studio(Settings.from_env({}, workspace=workspace))
    project = opened.new_project("large", LARGEST, str(rows), votes_wanted=3)
    # The rows stand where the download of Aya would put them, so that the Languages page opens on all of them.
    shutil.copy(opened.open_source(str(rows)).path, parquet._hub_path(workspace / "sources", hub.aya()))
    prompts = opened.store.prompt_records("large")
    answers = [
        Response(id=response_id(prompt.id, "model", f"answer {n}"), prompt_id=prompt.id, source="model", text=f"answer {n}")
        for n, prompt in enumerate(prompts)
    ]
    opened.store.add_responses("large", answers)
    opened.push("large")
    choices = (Choice.FIRST, Choice.SECOND, Choice.TIE)
    votes = [
        Vote(
            pair_id=pair, annotator=f"annotator-{(n + person) % 20}", choice=choices[(n + person * (n % 5 == 0)) % 3], seconds=9.0
        )
        for n, pair in enumerate(opened.store.pairs("large")["pair_id"])
        for person in range(2)
    ]
    opened.store.add_votes("large", votes)
    opened.store.close()
    return project.name


def measure(workspace: Path, query: str) -> tuple[dict[str, dict[str, float]], float]:
    """First and median later rerun of each page in milliseconds, and the server's memory in MB afterwards."""
    port = free_port()
    process = start(workspace, port)
    try:
        figures = {}
        for page in PAGES:
            first, *later = asyncio.run(rerun_times(f"http://localhost:{port}", page, query))
            figures[page or "board"] = {"first_ms": round(first), "rerun_ms": round(statistics.median(later))}
        return figures, round(psutil.Process(process.pid).memory_info().rss / 1e6)
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    """Print the figures; the ratio says how much slower the slowest rerun is on the large project than on the demonstration."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        seconds, memory = first_chart(root / "first" / "workspace")
        print(f"first chart after {seconds:.1f} s on an empty workspace, server at {memory:.0f} MB")
        demo, demo_mb = measure(root / "first" / "workspace", "annotator=kim")
        rows = root / "rows.parquet"
        synthetic.write(rows)
        name = fill_large(root / "large" / "workspace", rows)
        large, large_mb = measure(root / "large" / "workspace", f"project={quote(name)}&annotator=kim")
    for page in demo:
        print(f"{page:10} demonstration {demo[page]}  large {large[page]}")
    slowest = max(figures["rerun_ms"] for figures in large.values())
    result = {
        "first_chart_s": round(seconds, 1),
        "demonstration": demo,
        "large": large,
        "server_mb": {"demonstration": demo_mb, "large": large_mb},
        "slowest_rerun_large_over_demonstration": round(slowest / max(figures["rerun_ms"] for figures in demo.values()), 2),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
