"""Kill the server in the middle of voting: every vote that was answered with a next pair is in the store, once."""

import asyncio
import threading
import time
from pathlib import Path

from pipeline.adapters.store import Store
from pipeline.records import HUMAN, Project, Prompt, Response, make_pair, prompt_id, response_id
from tests import serving
from tests.fakes.voters import Voter, vote_together

PAIRS, VOTERS, WANTED = 60, 6, 3


def fill(store: Store) -> None:
    prompts = [Prompt(id=prompt_id("Dutch", f"vraag {n}"), text=f"vraag {n}", position=n) for n in range(PAIRS)]
    responses = [
        Response(id=response_id(prompt.id, source, source), prompt_id=prompt.id, source=source, text=source)
        for prompt in prompts
        for source in (HUMAN, "model")
    ]
    store.add_project(
        Project(name="nl", language="Dutch", code="nld", source="test", revision="1", order_key="k", votes_wanted=WANTED)
    )
    store.add_prompts("nl", prompts)
    store.add_responses("nl", responses)
    pairs = zip(prompts, responses[::2], responses[1::2], strict=True)
    store.add_pairs("nl", [make_pair(one, other, position=prompt.position) for prompt, one, other in pairs])


def stored(store: Store) -> set[tuple[str, str]]:
    votes = store.votes("nl", history=True)
    assert not votes.duplicated(["annotator", "pair_id"]).any()
    return set(zip(votes["annotator"], votes["pair_id"], strict=True))


def acknowledged(voters: list[Voter]) -> set[tuple[str, str]]:
    return {(voter.name, pair_id) for voter in voters for pair_id in voter.answered}


def begin_voting(address: str, voters: list[Voter]) -> threading.Thread:
    """Let them vote in a thread of their own: the main one may hold the event loop of a browser."""
    voting = threading.Thread(target=lambda: asyncio.run(vote_together(address, voters, votes=PAIRS)))
    voting.start()
    return voting


def test_a_killed_server_loses_no_vote_and_doubles_none(store: Store, workspace: Path) -> None:
    fill(store)
    voters = [Voter(f"voter-{number}", "nl") for number in range(VOTERS)]
    for enough in (40, 100):
        port = serving.free_port()
        process = serving.start(workspace, port)
        voting = begin_voting(f"http://localhost:{port}", voters)
        ends_at = time.monotonic() + 90
        while len(acknowledged(voters)) < enough and time.monotonic() < ends_at:
            time.sleep(0.01)
        process.kill()
        process.wait()
        voting.join()
        assert len(acknowledged(voters)) >= enough
        # What was on its way when the server died may be there too: at most one vote of each voter.
        assert acknowledged(voters) <= stored(store)
        assert len(stored(store)) <= len(acknowledged(voters)) + 2 * VOTERS
    with serving.dashboard(workspace) as address:
        begin_voting(address, voters).join()
    counts = store.pairs("nl")["n_votes"]
    assert counts.max() <= WANTED
    assert counts.sum() == len(stored(store))
    assert counts.sum() == PAIRS * WANTED
    store.recount("nl")
    assert store.pairs("nl")["n_votes"].tolist() == counts.tolist()
