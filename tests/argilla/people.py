"""People of an Argilla server in tests: each with a key of their own, answering over REST as the web page does."""

import random
import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from pipeline.adapters.argilla_client import Address, ArgillaClient, rows
from tests.argilla.stack import API_KEY, Stack

Body = dict[str, Any]


@dataclass(frozen=True)
class Person:
    id: str
    name: str
    password: str
    client: ArgillaClient

    def records(self, dataset_id: str) -> list[Body]:
        """The records as this person's pages get them, each with their own response."""
        pages = self.client.pages(
            f"me/datasets/{dataset_id}/records/search", limit=1000, method="POST", json={}, include="responses"
        )
        return [one["record"] for page in pages for one in page]

    def answer(self, record: Body, choice: str | None, *, status: str = "submitted", **texts: str) -> Body:
        """Answer a record, or change the answer, as the web page does; `choice` is the slot."""
        said = ({"choice": choice} if choice else {}) | texts
        values = {name: {"value": value} for name, value in said.items()}
        item = {"record_id": record["id"], "status": status, "values": values}
        for _ in range(10):
            (told,) = rows(self.client.send("POST", "me/responses/bulk", json={"items": [item]}))
            if told["error"] is None:
                return told["item"]
            # Of many who answer one record at once the server turns some away; a person presses the button again.
            time.sleep(random.uniform(0.05, 0.5))
        raise AssertionError(told)


class Site:
    """A workspace of one test's own on a real server, and the people in it; gives all connections back at the end."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._opened = ExitStack()
        self.owner = self.client(API_KEY)
        self.workspace = f"w{secrets.token_hex(6)}"
        self._place = self.owner.send("POST", "workspaces", json={"name": self.workspace}, repeatable=False)

    def close(self) -> None:
        self._opened.close()

    def client(self, key: str) -> ArgillaClient:
        return self._opened.enter_context(ArgillaClient(Address(url=self.stack.url, api_key=key)))

    def person(self, name: str, role: str = "annotator") -> Person:
        """A new person with a key of their own, a member of the workspace."""
        unique = f"{name}-{secrets.token_hex(3)}"
        body = {"first_name": name, "username": unique, "password": secrets.token_urlsafe(9), "role": role}
        made = self.owner.send("POST", "users", json=body, repeatable=False)
        path = f"workspaces/{self._place['id']}/users"
        self.owner.send("POST", path, json={"user_id": made["id"]}, repeatable=False)
        return Person(id=made["id"], name=unique, password=body["password"], client=self.client(made["api_key"]))

    def as_owner(self) -> Person:
        """The person the owner's key belongs to."""
        me = self.owner.me()
        return Person(id=me["id"], name=me["username"], password="", client=self.owner)
