"""Conversations: how is a model reached? Straight, over several servers, or from the machines of a cluster.

A key goes from its variable straight into a conversation; nothing else of the program ever holds one.
"""

from typing import Any

from pipeline.adapters import endpoints, ray_cluster
from pipeline.adapters.distilabel_engine import TIMEOUT_S, Conversation
from pipeline.adapters.spread import SpreadConversation
from pipeline.records import Endpoint, Runner


def open_conversation(endpoint: Endpoint, runner: Runner = Runner.LOCAL, *, timeout_s: float = TIMEOUT_S) -> Conversation:
    """Return a connection to the endpoint, with the key its variable holds; a request may take so long.

    Raises:
        SettingsError: The variable is not set or holds no key, or the runner is not installed.
        BackendError: The cluster cannot be reached.
    """
    terms: dict[str, Any] = {
        "model": endpoint.model,
        "max_new_tokens": endpoint.max_tokens,
        "temperature": endpoint.temperature,
        "timeout_s": timeout_s,
    }
    if runner is Runner.RAY:
        return SpreadConversation(ray_cluster.actors(endpoint, terms))
    key = endpoints.key_in(endpoint.api_key_env)
    members = [Conversation(base_url=address, api_key=key, **terms) for address in endpoint.base_urls]
    return members[0] if len(members) == 1 else SpreadConversation(members)
