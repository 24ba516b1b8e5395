"""Terms: what do tokens cost at an endpoint, and do a person's limits make sense? Pure arithmetic."""

import math
from urllib.parse import urlsplit

from pipeline.errors import GenerationError
from pipeline.records import Endpoint


def price(endpoint: Endpoint, tokens_in: float, tokens_out: float) -> float | None:
    """Return what so many tokens cost in US dollars, None where a price is not known."""
    if endpoint.price_in is None or endpoint.price_out is None:
        return None
    return (tokens_in * endpoint.price_in + tokens_out * endpoint.price_out) / 1_000_000


def check_terms(endpoint: Endpoint) -> None:
    """Refuse terms that make no sense.

    Raises:
        GenerationError: A budget without both prices, a number that is negative, infinite or not a number, or an
            address that holds a password.
    """
    if urlsplit(endpoint.base_url).password or urlsplit(endpoint.base_url).username:
        raise GenerationError(
            "The address holds a name or password, which would be written down with the run.",
            hint="Leave it out of the address; put the key in an environment variable and name that with --api-key-env.",
        )
    amounts = (endpoint.budget_usd, endpoint.price_in, endpoint.price_out)
    if endpoint.concurrency < 1 or any(amount is not None and not 0 <= amount < math.inf for amount in amounts):
        raise GenerationError(
            "A budget, a price or the number of requests at once makes no sense.",
            hint="Give amounts in US dollars from 0 up, and at least one request at once.",
        )
    if endpoint.budget_usd is not None and price(endpoint, 0, 0) is None:
        raise GenerationError(
            "A budget can only be kept when both prices are known.",
            hint="Add what a million tokens cost, read and written, for example --price-in 0.15 --price-out 0.60.",
        )
