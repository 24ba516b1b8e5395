"""Ray cluster: the same conversations, held by actors on its machines, one question and one answer at a time.

The run itself stays where it was started: it owns the store, the claims, the pace and the budget, so a killed run is
resumed like any other, and its actors end with it. No key travels: each machine reads its own variable. The cluster is
the one RAY_ADDRESS names; without one Ray is started on this machine, for this run.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

from pipeline.adapters import endpoints
from pipeline.adapters.distilabel_engine import Conversation, Messages
from pipeline.errors import BackendError, EndpointError, PipelineError, SettingsError
from pipeline.ports import Answer, FailureReason
from pipeline.records import Endpoint

ROOT = Path(__file__).resolve().parent.parent
FEWEST_ACTORS = 2
REACH_TIMEOUT_S = 5.0

OWN_CLUSTER: dict[str, Any] = {
    "_node_ip_address": "127.0.0.1",
    "include_dashboard": False,
    # Actors only wait: no processor is set aside for other work, and texts need little of the memory for objects.
    "num_cpus": 0,
    "object_store_memory": 128 * 1024 * 1024,
}


def _connect() -> Any:
    """Ray, connected to its cluster.

    Raises:
        SettingsError: Ray is not installed.
        BackendError: The cluster cannot be reached or started.
    """
    # Nothing is told to anybody else about the use of this program.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise SettingsError(
            "Ray is not installed.",
            hint='Install it with: pip install "ray>=2.60". Or leave --runner out: on one machine Ray makes nothing faster.',
        ) from error
    if ray.is_initialized():
        return ray
    address = os.environ.get("RAY_ADDRESS", "")
    _check_reachable(address)
    on_main_thread = threading.current_thread() is threading.main_thread()
    listens = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address or "local",
            configure_logging=False,
            log_to_driver=False,
            # On other machines runs the code that runs here; on this one it is there already.
            **({"runtime_env": {"py_modules": [str(ROOT)]}} if address else OWN_CLUSTER),
        )
    except Exception as error:  # Ray raises that itself, where its processes take longer than 30 seconds to start
        raise BackendError(
            f"The Ray cluster {address or 'on this machine'} cannot be used: {_lines(error)[0]}",
            hint="Check RAY_ADDRESS and that the cluster runs, and try again when this machine is less busy. If the cluster asks "
            "for a token, set RAY_AUTH_MODE=token and the token here as well; docs/scale.md has the steps.",
        ) from error
    finally:
        # Ray takes over the signal with which a run is asked to stop in good order.
        if on_main_thread:
            signal.signal(signal.SIGTERM, listens)
    return ray


def _lines(error: Exception) -> list[str]:
    """What an error says, line by line; its name where it says nothing."""
    return str(error).strip().splitlines() or [type(error).__name__]


def _check_reachable(address: str) -> None:
    """Look whether anything listens at HOST:PORT, for Ray itself takes minutes to find out that nothing does."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=REACH_TIMEOUT_S).close()
    except OSError as error:
        raise BackendError(
            f"Nothing answers at {address}, where RAY_ADDRESS says that the Ray cluster is.",
            hint="Start the cluster, or correct RAY_ADDRESS; without it Ray is started on this machine for this run.",
        ) from error


class Asker:
    """An actor: it holds one conversation, and returns what a person should read instead of raising it."""

    def __init__(self, api_key_env: str, terms: dict[str, Any]) -> None:
        self._api_key_env, self._terms = api_key_env, terms
        self._conversation: Conversation | None = None

    async def ask(self, messages: Messages) -> Answer | tuple[str, str]:
        """Return what the model says, asked once; or the message and the hint of what ends the run."""
        try:
            if self._conversation is None:
                self._conversation = Conversation(api_key=endpoints.key_in(self._api_key_env), **self._terms)
        except SettingsError as error:
            said = f"{error.message.removesuffix('.')} on a machine of the Ray cluster."
            return said, "Set it on each machine before Ray is started there: no key travels over the cluster."
        try:
            return await self._conversation.ask(messages)
        except PipelineError as error:
            return error.message, error.hint


class RayConversation(Conversation):
    """A conversation that an actor of the cluster holds."""

    def __init__(self, ray: Any, api_key_env: str, terms: dict[str, Any]) -> None:
        super().__init__(**terms)
        self._ray = ray
        # Waiting for a model takes no processor; Ray starts an actor again when its machine is lost.
        remote = ray.remote(num_cpus=0, max_restarts=-1, max_concurrency=1000, scheduling_strategy="SPREAD")(Asker)
        self._actor = remote.remote(api_key_env, terms)

    async def ask(self, messages: Messages) -> Answer:
        """Return what the model says to the actor, asked once.

        Raises:
            EndpointError: As a conversation, or the key is not on that machine.
            BackendError: The machine cannot run the studio.
        """
        try:
            said = await self._actor.ask.remote(messages)
        except self._ray.exceptions.RayActorError as error:
            detail = f"a machine of the Ray cluster is gone ({type(error).__name__})"
            return Answer(text=None, error=str(FailureReason.CONNECTION), detail=detail, is_down=True)
        except self._ray.exceptions.RayError as error:
            raise BackendError(
                f"A machine of the Ray cluster cannot run the studio: {_lines(error)[-1]}",
                hint="Install the same requirements.txt, for the same Python, on each machine of the cluster.",
            ) from error
        if isinstance(said, Answer):
            return said
        raise EndpointError(said[0], hint=said[1])

    async def close(self) -> None:
        """End the actor, and its connections with it."""
        self._ray.kill(self._actor)


def actors(endpoint: Endpoint, terms: dict[str, Any]) -> list[Conversation]:
    """Return conversations on the cluster: one for each machine and each server, at least two.

    Raises:
        SettingsError: Ray is not installed.
        BackendError: The cluster cannot be reached or started.
    """
    ray, addresses = _connect(), endpoint.base_urls
    count = max(FEWEST_ACTORS, len(addresses), sum(bool(node["Alive"]) for node in ray.nodes()))
    return [
        RayConversation(ray, endpoint.api_key_env, terms | {"base_url": addresses[number % len(addresses)]})
        for number in range(count)
    ]
