"""Tracking: the Argilla server on which people vote, as a coordinator looks at it.

Can it be reached, how far is each annotator, who is invited, what was voted there before? Sending pairs and bringing
votes home is the backend's. Nothing here changes a vote.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pipeline.adapters import argilla_connection, argilla_open
from pipeline.adapters.argilla_backend import ArgillaBackend
from pipeline.adapters.argilla_client import PATIENCE_S, READ_TIMEOUT_S, Address, ArgillaClient
from pipeline.adapters.argilla_connection import CHECK_TIMEOUT_S, Connection
from pipeline.adapters.argilla_links import ArgillaLink, ArgillaLinks
from pipeline.adapters.store import Store
from pipeline.ports import BackendProgress
from pipeline.records import Pair, Summary
from pipeline.settings import Settings


class Tracking:
    """What there is to see and to set up on the Argilla server of a workspace's settings."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store = settings, store

    @property
    def is_set_up(self) -> bool:
        """Say whether the settings name a server at all."""
        return bool(self.settings.argilla_url and self.settings.argilla_key)

    def client(self, *, patience_s: float = PATIENCE_S, timeout_s: float = READ_TIMEOUT_S) -> ArgillaClient:
        """Return a client of the server; whoever asks for it closes it.

        Raises:
            ArgillaError: The settings name no server, or no key.
        """
        address = Address(url=self.settings.argilla_url, api_key=self.settings.argilla_key, hub_token=self.settings.hub_token)
        return ArgillaClient(address, patience_s=patience_s, timeout_s=timeout_s)

    def connection(self) -> Connection:
        """Return what the key reaches, within seconds.

        Raises:
            ArgillaError: What is in the way, with a way out.
        """
        with self.client(patience_s=0, timeout_s=CHECK_TIMEOUT_S) as client:
            return argilla_connection.check(client, self.settings.argilla_workspace)

    def check(self) -> Summary:
        """Return what the key reaches, as the terminal prints it."""
        told = dataclasses.asdict(self.connection())
        return told | {"datasets": list(told["datasets"])}

    def link(self, project: str) -> ArgillaLink | None:
        """Return where a project's pairs were sent to, None when they were not."""
        return ArgillaLinks(self.store).link(project)

    def standing(self, project: str) -> BackendProgress:
        """Return how far the voting in Argilla is, by annotator: three small requests, given up within seconds.

        Raises:
            ArgillaError: The project was not sent, or the server does not answer.
        """
        with self.client(patience_s=0, timeout_s=CHECK_TIMEOUT_S) as client:
            return ArgillaBackend(self.store, client, self.settings.argilla_workspace).progress(project)

    def pair_urls(self, project: str, pair_ids: Sequence[str]) -> dict[str, str]:
        """Return where a browser shows each of these pairs in Argilla, as `argilla_open.pair_urls`; none where none was sent.

        Raises:
            ArgillaError: The server does not answer.
        """
        link = self.link(project)
        if link is None or not pair_ids:
            return {}
        frame = self.store.pairs(project, pair_ids)
        columns = ["pair_id", "prompt_id", "first_id", "second_id"]
        pairs = [
            Pair(id=pair_id, prompt_id=prompt_id, first_id=first_id, second_id=second_id)
            for pair_id, prompt_id, first_id, second_id in frame[columns].itertuples(index=False, name=None)
        ]
        with self.client(patience_s=0, timeout_s=CHECK_TIMEOUT_S) as client:
            return argilla_open.pair_urls(client, link.dataset_id, self.store.project(project).order_key, pairs)
