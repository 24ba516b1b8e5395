"""Voters: many annotators at once, each speaking Streamlit's own protocol as a browser does.

`python -m tests.fakes.voters URL PROJECT VOTERS VOTES GAP_S` connects, lets each voter answer that many pairs, one
in each gap and none before it counts as read, and prints one JSON document: the milliseconds from each press to the end
of the run that shows the next pair.
"""

import asyncio
import json
import random
import sys
import time
from urllib.parse import quote

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from dashboard.voting import UNREAD_S

PRESSED = ("left", "right", "tie")


class Voter:
    """One browser tab with the Annotate page open. `answered` holds the pairs whose vote was acknowledged."""

    def __init__(self, name: str, project: str) -> None:
        self.name = name
        self.waits_ms: list[float] = []
        self.answered: list[str] = []
        self._query = f"project={quote(project)}&annotator={quote(name)}"
        self._draw = random.Random(name)
        self._page_hash = ""
        self._fragment = ""
        self._buttons: dict[str, str] = {}

    async def run(self, url: str, *, votes: int, gap_s: float, ready: asyncio.Barrier) -> None:
        """Open the page, wait for the others, then answer pair after pair until the server or the work ends."""
        address = url.replace("http", "ws", 1) + "/_stcore/stream"
        self._buttons = {}
        async with websockets.connect(address, subprotocols=["streamlit"], max_size=None) as socket:
            await self._send(socket, "")
            await self._until_finished(socket)
            await ready.wait()
            await asyncio.sleep(UNREAD_S + self._draw.random() * gap_s)
            try:
                for _ in range(votes):
                    if not self._buttons:
                        return
                    await self._answer(socket, gap_s)
            except websockets.ConnectionClosed:
                return

    async def _answer(self, socket: websockets.ClientConnection, gap_s: float) -> None:
        """Press one button and wait for the next pair."""
        begun = time.perf_counter()
        pressed = self._buttons[self._draw.choice(PRESSED)]
        self._buttons = {}
        await self._send(socket, pressed)
        await self._until_finished(socket)
        took = time.perf_counter() - begun
        self.waits_ms.append(took * 1000)
        # The button's key ends in answer, pair and version.
        self.answered.append(pressed.split("-")[-2])
        await asyncio.sleep(max(UNREAD_S, gap_s - took))

    async def _send(self, socket: websockets.ClientConnection, pressed: str) -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self._query
        if pressed:
            state.page_script_hash = self._page_hash
            state.fragment_id = self._fragment
            widget = state.widget_states.widgets.add()
            widget.id, widget.trigger_value = pressed, True
        else:
            state.page_name = "annotate"
        await socket.send(message.SerializeToString())

    async def _until_finished(self, socket: websockets.ClientConnection) -> None:
        """Read what the server draws until its run has ended."""
        while True:
            message = ForwardMsg()
            message.ParseFromString(await asyncio.wait_for(socket.recv(), timeout=60))
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._page_hash = message.new_session.page_script_hash
            elif kind == "delta" and message.delta.new_element.HasField("button"):
                self._remember(message)
            elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return

    def _remember(self, message: ForwardMsg) -> None:
        identity = message.delta.new_element.button.id
        for answer in PRESSED:
            if f"-{answer}-" in identity:
                self._buttons[answer] = identity
                self._fragment = message.delta.fragment_id


async def vote_together(url: str, voters: list[Voter], *, votes: int, gap_s: float = 0.0) -> float:
    """Let all of them vote, beginning when the last has the page open; return the seconds it took."""
    ready = asyncio.Barrier(len(voters) + 1)
    async with asyncio.TaskGroup() as group:
        for voter in voters:
            group.create_task(voter.run(url, votes=votes, gap_s=gap_s, ready=ready))
        await ready.wait()
        begun = time.perf_counter()
    return time.perf_counter() - begun


def main(url: str, project: str, voters: str, votes: str, gap_s: str) -> None:
    """Vote and print what was measured."""
    everyone = [Voter(f"voter-{number:02d}", project) for number in range(int(voters))]
    seconds = asyncio.run(vote_together(url, everyone, votes=int(votes), gap_s=float(gap_s)))
    waits = [wait for voter in everyone for wait in voter.waits_ms]
    print(json.dumps({"votes": len(waits), "seconds": seconds, "waits_ms": sorted(waits)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
