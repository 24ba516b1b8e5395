"""Request store: who may ask what, and what is left to ask. A real SQLite file."""

import pytest

from pipeline.adapters.store import Store
from pipeline.errors import BackendError
from pipeline.ports import Made
from pipeline.records import HUMAN, Project, Prompt, Request, Response


def request(key: str, *, error: str = "", text: str | None = "Ja.") -> Request:
    return Request(
        key=key,
        project="nl",
        prompt_id="p0",
        purpose="generate",
        model="tiny",
        system_prompt_version="",
        parameters={},
        text=text,
        tokens_in=1,
        tokens_out=1,
        cost_usd=None,
        seconds=0.1,
        attempts=1,
        error=error,
    )


def test_a_claimed_request_is_nobody_elses_until_it_is_given_up(store: Store) -> None:
    assert store.claim_requests(["a", "b"], project="nl", owner="one", lease_s=60).mine == {"a", "b"}
    assert store.claim_requests(["b", "c"], project="nl", owner="two", lease_s=60).mine == {"c"}
    store.release_claims("one")
    assert store.claim_requests(["a", "b"], project="nl", owner="two", lease_s=60).mine == {"a", "b"}
    assert store.claim_owners() == ["two"]


def test_a_lease_runs_out_unless_it_is_renewed(store: Store) -> None:
    store.claim_requests(["a", "b"], project="nl", owner="one", lease_s=-1)
    assert store.claim_requests(["a"], project="nl", owner="two", lease_s=60).mine == {"a"}
    store.renew_claims("one", lease_s=60)
    assert store.claim_requests(["b"], project="nl", owner="two", lease_s=60).mine == set()


def test_an_answer_ends_the_claim_and_is_known_from_then_on_while_a_failure_is_free_again(store: Store) -> None:
    store.claim_requests(["a", "b"], project="nl", owner="one", lease_s=60)
    store.save_made([Made(request=request("a")), Made(request=request("b", error="timeout", text=None))])
    found = store.claim_requests(["a", "b"], project="nl", owner="two", lease_s=60)
    assert found.mine == {"b"}
    assert {key: one.error for key, one in found.known.items()} == {"a": "", "b": "timeout"}


def test_what_arrived_together_is_stored_together_or_not_at_all(store: Store) -> None:
    good = Response(id="r1", prompt_id="p0", source="tiny", text="Ja.")
    textless = Response(id="r2", prompt_id="p0", source="tiny", text=None)  # type: ignore[arg-type]
    with pytest.raises(BackendError):
        store.save_made([Made(request=request("a"), responses=(good,)), Made(request=request("b"), responses=(textless,))])
    assert (store.request("a", "nl"), store.request("b", "nl"), len(store.responses("nl"))) == (None, None, 0)
    store.save_made([Made(request=request("a"), responses=(good,))])
    store.save_made([Made(request=request("a", text="Nee."), responses=(good,))])
    kept = store.request("a", "nl")
    assert kept is not None
    assert (kept.text, len(store.responses("nl"))) == ("Ja.", 1)


def test_prompts_come_in_order_each_with_what_people_wrote(store: Store) -> None:
    store.add_project(Project(name="nl", language="Dutch", code="nld", source="test", revision="1"))
    store.add_prompts("nl", [Prompt(id=f"p{n}", text=f"vraag {n}", position=n) for n in range(4)])
    people = [("p0", HUMAN), ("p2", HUMAN), ("p2", "tiny"), ("p2", "other")]
    store.add_responses("nl", [Response(id=f"r{n}", prompt_id=p, source=s, text=s) for n, (p, s) in enumerate(people)])
    assert store.prompt_ids_without("nl", "tiny") == ["p0", "p1", "p3"]
    found = store.prompts_and_people("nl", ["p2", "p1"])
    assert [(prompt.id, [one.source for one in wrote]) for prompt, wrote in found] == [("p2", [HUMAN]), ("p1", [])]
