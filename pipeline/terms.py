"""Terms: what do tokens cost at an endpoint, and do a person's limits make sense? Pure arithmetic."""

import math
import re
from urllib.parse import urlsplit

from pipeline.errors import EndpointError, GenerationError
from pipeline.records import Endpoint

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
"""The name of an environment variable; keys hold small letters or other signs."""


def price(endpoint: Endpoint, tokens_in: float, tokens_out: float) -> float | None:
    """Return what so many tokens cost in US dollars, None where a price is not known."""
    if endpoint.price_in is None or endpoint.price_out is None:
        return None
    return (tokens_in * endpoint.price_in + tokens_out * endpoint.price_out) / 1_000_000


def dollars(amount: float) -> str:
    """Return an amount with its cents, and with as many digits more, up to eight, as it needs."""
    exact = f"{amount:.8f}".rstrip("0")
    return exact if len(exact.partition(".")[2]) > 2 else f"{amount:.2f}"


def check_terms(endpoint: Endpoint) -> None:
    """Refuse terms that make no sense; what is refused is not repeated, for it may hold a key.

    Raises:
        EndpointError: The address is none, or holds a password.
        GenerationError: A model's name with spaces, a key in place of its variable's name, a budget without both prices, a
            price that is not above zero, or a number that is negative, infinite or not a number.
    """
    if not endpoint.model.strip() or any(char.isspace() for char in endpoint.model):
        raise GenerationError(
            "The model's name is empty or holds a space, so no server will know it.",
            hint="Copy the name exactly as the server lists it, for example meta-llama/Llama-3.1-8B-Instruct.",
        )
    for address in endpoint.base_urls:
        check_address(address)
    if endpoint.api_key_env and not VARIABLE.fullmatch(endpoint.api_key_env):
        raise GenerationError(
            "What was given for the key is not the name of a variable.",
            hint="Give the name of the environment variable that holds the key, in capitals, such as HF_TOKEN; "
            "never the key itself.",
        )
    if any(amount is not None and not 0 < amount < math.inf for amount in (endpoint.price_in, endpoint.price_out)):
        raise GenerationError(
            "A price is zero or below, or is no number.",
            hint="Give US dollars for a million tokens, above zero; leave the prices out where the model costs nothing.",
        )
    if endpoint.max_tokens < 1 or (endpoint.temperature is not None and not 0 <= endpoint.temperature <= 2):
        raise GenerationError(
            "The longest answer or the temperature makes no sense.",
            hint="Give at least one token, and a temperature from 0 to 2 or none for the server's own.",
        )
    if endpoint.concurrency < 1 or (endpoint.budget_usd is not None and not 0 <= endpoint.budget_usd < math.inf):
        raise GenerationError(
            "The budget or the number of requests at once makes no sense.",
            hint="Give a budget in US dollars from 0 up, and at least one request at once.",
        )
    if endpoint.budget_usd is not None and price(endpoint, 0, 0) is None:
        raise GenerationError(
            "A budget can only be kept when both prices are known.",
            hint="Add what a million tokens cost, read and written, for example --price-in 0.15 --price-out 0.60.",
        )


def check_address(base_url: str) -> None:
    """Refuse what is not the address of a server, and one that holds a password; neither is repeated.

    Raises:
        EndpointError: It is refused.
    """
    try:
        parts = urlsplit(base_url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        is_address = is_address and base_url.isprintable() and " " not in base_url
    except ValueError:
        is_address = False
    if not is_address:
        raise EndpointError("This is not the address of a server.", hint="Give one such as http://localhost:11434/v1.")
    if parts.password or parts.username:
        raise EndpointError(
            "The address holds a name or password, which would be written down with the run.",
            hint="Leave it out of the address; put the key in an environment variable and name that with --api-key-env.",
        )
