"""Prices: what do a million tokens of a model cost, when nobody has said so yet?

A shipped, dated list to begin with; whoever pays may change each price, and a price saved in the workspace wins. Prices
move: the date stands beside each, and the provider's own page has the last word.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars per million tokens read and written, of a model at a host, as known on a day (`as_of`, ISO 8601)."""

    model: str
    host: str
    price_in: float
    price_out: float
    as_of: str
    source: str


@cache
def shipped() -> tuple[Price, ...]:
    """Return the prices that come with the program."""
    text = resources.files("pipeline").joinpath("facts", "prices.csv").read_text(encoding="utf-8")
    return tuple(
        Price(
            model=row["model"],
            host=row["host"],
            price_in=float(row["price_in"]),
            price_out=float(row["price_out"]),
            as_of=row["as_of"],
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def find(model: str, host: str) -> Price | None:
    """Return the shipped price of exactly this model at exactly this host, None when the list has none."""
    return next((price for price in shipped() if (price.model, price.host) == (model, host)), None)
