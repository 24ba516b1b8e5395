"""Ledger: what has each model cost, and what does a million of its tokens cost, in the studio's store?

Prices belong to a model at a host, for the same model costs more at one provider than at another.
"""

from urllib.parse import urlsplit

import pandas as pd
import sqlalchemy as sa

from pipeline.adapters import schema
from pipeline.adapters.store import Store
from pipeline.prices import Price
from pipeline.records import Endpoint, utc_now


def host_of(base_url: str) -> str:
    """Return the host of an address, with its port."""
    return urlsplit(base_url).netloc.rpartition("@")[2].lower()


class Ledger:
    """Spend and prices, over all projects of a workspace."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def spend(self, project: str) -> pd.DataFrame:
        """Return what a project's requests took.

        Columns `purpose, model, answers, failed, tokens_in, tokens_out, cost_usd` (missing where no price was known) and
        `request_seconds` (added up over requests, many of which ran at once), by purpose and model. Previews count as
        generation.
        """
        table = schema.requests
        purpose = sa.case((table.c.purpose == "preview", "generate"), else_=table.c.purpose).label("purpose")
        # A failure whose answer came from another project keeps its cost, without being one any longer.
        is_answer = sa.case(((table.c.error == "") & table.c.text.is_not(None), 1), else_=0)
        is_failure = sa.case((table.c.error != "", 1), else_=0)
        sums = [
            sa.func.sum(is_answer).label("answers"),
            sa.func.sum(is_failure).label("failed"),
            *(sa.func.sum(table.c[name]).label(name) for name in ("tokens_in", "tokens_out", "cost_usd")),
            sa.func.sum(table.c.seconds).label("request_seconds"),
        ]
        query = sa.select(purpose, table.c.model, *sums).where(table.c.project == project)
        query = query.group_by(purpose, table.c.model).order_by(purpose, table.c.model)
        whole = dict.fromkeys(("answers", "failed", "tokens_in", "tokens_out"), int)
        return self._store.frame(query).astype(whole | {"cost_usd": float, "request_seconds": float})

    def price(self, model: str, base_url: str) -> Price | None:
        """Return the price last saved in this workspace for a model at an address, None when none was."""
        table = schema.prices
        query = sa.select(table).where(table.c.model == model, table.c.host == host_of(base_url))
        with self._store.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return Price(
            model=row["model"],
            host=row["host"],
            price_in=row["price_in"],
            price_out=row["price_out"],
            as_of=row["at"][:10],
            source="saved in this workspace",
        )

    def save_price(self, endpoint: Endpoint) -> None:
        """Remember the prices of an endpoint, where it has both."""
        if endpoint.price_in is None or endpoint.price_out is None:
            return
        key = {"model": endpoint.model, "host": host_of(endpoint.base_url)}
        values = {"price_in": endpoint.price_in, "price_out": endpoint.price_out, "at": utc_now()}
        table = schema.prices
        with self._store.writing() as connection:
            same = (table.c.model == key["model"]) & (table.c.host == key["host"])
            if connection.execute(sa.update(table).where(same).values(values)).rowcount == 0:
                self._store.insert_missing(connection, table, [key | values])
