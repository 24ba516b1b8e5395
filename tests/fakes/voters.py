"""Voters: many annotators at once, each speaking Streamlit's own protocol as a browser does.

`python -m tests.fakes.voters URL PROJECT VOTERS VOTES` connects, lets each voter answer that many pairs, and
prints one JSON document: the milliseconds from each press to the end of the run that shows the next pair.
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


class Voter:
    """One browser tab with the Annotate page open."""

    def __init__(self, name: str, project: str) -> None:
        self.name = name
        self.query = f"project={quote(project)}&annotator={quote(name)}"
        self.page_hash = ""
        self.fragment = ""
        self.buttons: dict[str, str] = {}
        self.waits_ms: list[float] = []
        self.answered: list[str] = []

    async def run(self, url: str, votes: int, gap_s: float, ready: asyncio.Barrier) -> None:
        """Open the page, wait for the others, then answer pair after pair, at most one in each gap."""
        draw = random.Random(self.name)
        address = url.replace("http", "ws", 1) + "/_stcore/stream"
        async with websockets.connect(address, subprotocols=["streamlit"], max_size=None) as socket:
            await self._send(socket, "")
            await self._until_finished(socket)
            await ready.wait()
            await asyncio.sleep(draw.random() * gap_s)
            for _ in range(votes):
                if "left" not in self.buttons:
                    break
                begun = time.perf_counter()
                pressed = self.buttons[draw.choice(["left", "left", "right", "tie"])]
                self.buttons = {}
                await self._send(socket, pressed)
                await self._until_finished(socket)
                took = time.perf_counter() - begun
                self.waits_ms.append(took * 1000)
                self.answered.append(pressed)
                await asyncio.sleep(max(0.0, gap_s - took))

    async def _send(self, socket: websockets.ClientConnection, pressed: str) -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self.query
        if pressed:
            state.page_script_hash = self.page_hash
            state.fragment_id = self.fragment
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
                self.page_hash = message.new_session.page_script_hash
            elif kind == "delta" and message.delta.new_element.HasField("button"):
                self._remember(message)
            elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return

    def _remember(self, message: ForwardMsg) -> None:
        identity = message.delta.new_element.button.id
        for answer in ("left", "right", "tie"):
            if f"-{answer}-" in identity:
                self.buttons[answer] = identity
                self.fragment = message.delta.fragment_id


async def vote_together(url: str, project: str, voters: int, votes: int, gap_s: float) -> dict[str, object]:
    """Let all of them vote, beginning when the last has the page open."""
    ready = asyncio.Barrier(voters + 1)
    everyone = [Voter(f"voter-{number:02d}", project) for number in range(voters)]
    async with asyncio.TaskGroup() as group:
        for voter in everyone:
            group.create_task(voter.run(url, votes, gap_s, ready))
        await ready.wait()
        begun = time.perf_counter()
    seconds = time.perf_counter() - begun
    waits = sorted(wait for voter in everyone for wait in voter.waits_ms)
    return {"voters": voters, "votes": len(waits), "seconds": seconds, "waits_ms": waits}


if __name__ == "__main__":
    url, project, voters, votes, gap_s = sys.argv[1:]
    print(json.dumps(asyncio.run(vote_together(url, project, int(voters), int(votes), float(gap_s)))))
