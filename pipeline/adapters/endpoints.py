"""Endpoints: which model servers run on this machine, which models do they offer, and is a key accepted?

Asks OpenAI-compatible servers for their list of models. Sends a key only to the address it was given for.
"""

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from pipeline.errors import EndpointError, SettingsError
from pipeline.terms import check_address

FIND_TIMEOUT_S = 0.4
CHECK_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A well-known service. `api_key_env` names the variable its key is usually kept in; empty where none is needed.

    `base_url` is empty where everybody has an address of their own, which looks like `example`.
    """

    name: str
    base_url: str
    api_key_env: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """A model server that answers on this machine, with the models it lists."""

    name: str
    base_url: str
    models: tuple[str, ...]


LOCAL = (
    Preset(name="Ollama", base_url="http://127.0.0.1:11434/v1"),
    Preset(name="vLLM", base_url="http://127.0.0.1:8000/v1"),
    Preset(name="llama.cpp", base_url="http://127.0.0.1:8080/v1"),
    Preset(name="LM Studio", base_url="http://127.0.0.1:1234/v1"),
)

PRESETS = (
    *LOCAL,
    Preset(
        name="Hugging Face Inference Providers",
        base_url="https://router.huggingface.co/v1",
        api_key_env="HF_TOKEN",
    ),
    # Anybody may open one of these, so a page sends the key to those alone that STUDIO_KEYS lists.
    Preset(
        name="Hugging Face dedicated endpoint",
        base_url="",
        api_key_env="HF_TOKEN",
        example="https://NAME.REGION.aws.endpoints.huggingface.cloud/v1",
    ),
    Preset(name="OpenAI", base_url="https://api.openai.com/v1", api_key_env="OPENAI_API_KEY"),
    Preset(name="Cohere", base_url="https://api.cohere.ai/compatibility/v1", api_key_env="COHERE_API_KEY"),
    Preset(name="Mistral", base_url="https://api.mistral.ai/v1", api_key_env="MISTRAL_API_KEY"),
    Preset(name="OpenRouter", base_url="https://openrouter.ai/api/v1", api_key_env="OPENROUTER_API_KEY"),
    Preset(name="Together", base_url="https://api.together.xyz/v1", api_key_env="TOGETHER_API_KEY"),
    Preset(name="Groq", base_url="https://api.groq.com/openai/v1", api_key_env="GROQ_API_KEY"),
)


def key_in(variable: str) -> str:
    """Return the key that an environment variable holds, without the line break that a file often leaves at its end.

    Without a variable it is empty, as for a server that asks for no key.

    Raises:
        SettingsError: The variable is not set, or holds what cannot be a key.
    """
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise SettingsError(
            f"The environment variable {variable} is not set.",
            hint="Set it to your key for this server before you start the program; never type a key into a page.",
        )
    if not (key.isascii() and key.isprintable()):
        raise SettingsError(
            f"What {variable} holds cannot be a key: it has a line break, or a letter that no key has.",
            hint="Copy the key again from the provider's page, and set the variable anew before you start the program.",
        )
    return key


def may_send(api_key_env: str, base_url: str, listed: Iterable[tuple[str, str]] = ()) -> bool:
    """Say whether a visitor of the pages may have a variable's value sent to an address.

    It goes to the server it belongs to alone: that of a preset, or of a pair (variable, address) that is `listed`.
    """
    known = [*((preset.api_key_env, preset.base_url) for preset in PRESETS if preset.api_key_env and preset.base_url), *listed]
    # Compared letter by letter up to the slash, so that no two readers of an address can disagree on the server.
    return any(name == api_key_env and f"{base_url}/".startswith(f"{_origin(address)}/") for name, address in known)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(base_url: str) -> bool:
    """Say whether an address is on this machine, where no proxy leads."""
    host = urlsplit(base_url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_local_servers(candidates: Sequence[Preset] = LOCAL, *, timeout_s: float = FIND_TIMEOUT_S) -> list[LocalServer]:
    """Return the servers that answer on this machine, all asked at once."""
    with ThreadPoolExecutor(max_workers=max(1, len(candidates))) as pool:
        found = pool.map(lambda preset: _probe(preset, timeout_s), candidates)
    return [server for server in found if server is not None]


def _probe(preset: Preset, timeout_s: float) -> LocalServer | None:
    """The server at a local address, None when nothing that lists models answers there."""
    try:
        models = _models(preset.base_url, "", timeout_s)
    except (httpx.HTTPError, ValueError):
        return None
    return LocalServer(name=preset.name, base_url=preset.base_url, models=models)


def _models(base_url: str, key: str, timeout_s: float) -> tuple[str, ...]:
    """The ids a server lists. Raises httpx.HTTPError, or ValueError when the body is no list of models."""
    return tuple(sorted(str(row["id"]) for row in _rows(base_url, key, timeout_s) if row.get("id")))


def _rows(base_url: str, key: str, timeout_s: float) -> list[Mapping[str, object]]:
    """What a server tells of each of its models. Raises as `_models`."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    trust_env = not is_loopback(base_url)
    answer = httpx.get(f"{base_url.rstrip('/')}/models", headers=headers, timeout=timeout_s, trust_env=trust_env)
    answer.raise_for_status()
    body = answer.json()
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise ValueError("no list of models")
    return [row for row in rows if isinstance(row, dict)]


def context_tokens(base_url: str, model: str, *, key: str = "", timeout_s: float = CHECK_TIMEOUT_S) -> int | None:
    """Return how many tokens a prompt and its answer may have together, None where the server does not tell.

    vLLM calls it `max_model_len`, OpenRouter `context_length`, llama.cpp `meta.n_ctx_train`.
    """
    try:
        rows = _rows(base_url, key, timeout_s)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    row = next((row for row in rows if row.get("id") == model), {})
    meta = row.get("meta")
    told = [row.get("max_model_len"), row.get("context_length"), meta.get("n_ctx_train") if isinstance(meta, dict) else None]
    return next((each for each in told if isinstance(each, int) and each > 0), None)


def check(base_url: str, *, key: str = "", model: str = "", timeout_s: float = CHECK_TIMEOUT_S) -> tuple[str, ...]:
    """Return the models a server offers, empty where it keeps no list; with `model`, see that it is among them.

    Raises:
        EndpointError: The address makes no sense, nothing answers there, the key is refused, or the model is unknown.
    """
    check_address(base_url)
    try:
        models = _models(base_url, key, timeout_s)
    except httpx.HTTPStatusError as error:
        return _without_list(base_url, error.response.status_code, key)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise _unreachable(base_url) from error
    except ValueError:
        return ()
    if model and models and model not in models and not _is_routed(model, models):
        raise EndpointError(f"The server at {base_url} does not offer the model {model}.", hint=_nearest(model, models))
    return models


def _without_list(base_url: str, status: int, key: str) -> tuple[str, ...]:
    """A server that gives no list: refused, broken, or without one."""
    if status in (401, 403):
        message = f"The server at {base_url} refuses the key." if key else f"The server at {base_url} asks for a key."
        raise EndpointError(message, hint="Name the environment variable that holds a valid key for this server.")
    if status >= 500:
        raise EndpointError(
            f"The server at {base_url} reports a fault of its own (status {status}).",
            hint="Wait a little and try again, or look at the server's own log.",
        )
    return ()


def _unreachable(base_url: str) -> EndpointError:
    return EndpointError(
        f"Nothing answers at {base_url}.",
        hint="Start the model's server (for Ollama: ollama serve), check the address and your network, and try again.",
    )


def _is_routed(model: str, models: Sequence[str]) -> bool:
    """Say whether a router's suffix (`model:provider`) or Ollama's tag (`model:latest`) hides a known model."""
    plain = {re.sub(r":[^:]*$", "", name) for name in models}
    return re.sub(r":[^:]*$", "", model) in plain


def _nearest(model: str, models: Sequence[str]) -> str:
    words = set(re.split(r"[^a-z0-9]+", model.lower()))
    ranked = sorted(models, key=lambda name: -len(words & set(re.split(r"[^a-z0-9]+", name.lower()))))
    return f"It offers {', '.join(ranked[:5])}" + (f" and {len(ranked) - 5} more." if len(ranked) > 5 else ".")
