"""Hub refusals: what does the Hub say no to, in words for people, and what can they do?

A question to the Hub comes in; its answer goes out, or an error of ours in which no token stands.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from huggingface_hub.errors import OfflineModeIsEnabled

from pipeline.adapters.hub_calls import Found, answer_to, is_of_the_disk, is_of_the_network, patiently, status_of
from pipeline.errors import PublishError

NEW_TOKEN = "Make a token with write access at {endpoint}/settings/tokens and give it in the variable HF_TOKEN."  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a release goes: `repo` is OWNER/NAME. The token is used and kept nowhere."""

    repo: str
    is_private: bool
    endpoint: str
    token: str = field(repr=False)


def asking(target: Target, ask: Callable[[], Found], *, attempts: int = 3) -> Found:
    """Ask the Hub, again where that may help.

    Raises:
        PublishError: It refuses, or cannot be reached.
    """
    return patiently(ask, refuse=lambda error: _refuse(error, target), attempts=attempts)


def _refuse(error: Exception, target: Target) -> NoReturn:
    """Translate an error of the Hub's client into ours; what the Hub says of it is told, never a token."""
    status, again = status_of(error), "Publish again: what has arrived is not sent twice."
    if isinstance(error, OfflineModeIsEnabled):
        what, hint = "Publishing is switched off here (HF_HUB_OFFLINE is set).", "Unset HF_HUB_OFFLINE and publish again."
    elif is_of_the_disk(error) and isinstance(error, OSError):
        what, hint = f"A file of the release cannot be read: {error.strerror}.", "Check the release's folder, then publish again."
    elif status == 401:
        what, hint = "The Hub does not know the access token in HF_TOKEN.", NEW_TOKEN.format(endpoint=target.endpoint)
    elif status == 403:
        what = f"The access token in HF_TOKEN has no right to write to {target.repo}{_said(error)}."
        hint = f"{NEW_TOKEN.format(endpoint=target.endpoint)} Or publish under a name of your own."
    elif status == 400:
        what, hint = (
            f"The Hub refused {target.repo}{_said(error)}.",
            "Choose another name, or mend what it says, and publish again.",
        )
    elif status in (409, 412):
        what = f"Somebody else changed {target.repo} at the same moment."
        hint = f"Look at what changed on the Hub. {again}"
    elif status == 404:
        what, hint = f"{target.repo} is no longer there.", f"Check the name on the Hub. {again}"
    elif status == 429:
        what, hint = "The Hub asks for patience: too many requests.", f"Wait some minutes. {again}"
    elif status:
        what, hint = f"{target.endpoint} is in trouble (it answered {status}).", f"Try again in some minutes. {again}"
    elif isinstance(error, ValueError):
        first = next(iter(str(error).strip().splitlines()), "")
        what, hint = f"The Hub refused the files: {first}", "Mend what it says, export again, and publish the new release."
    elif is_of_the_network(error):
        what, hint = f"The connection to {target.endpoint} broke or was never made.", f"Check the network connection. {again}"
    else:
        what, hint = f"The Hub's client gave up: {error}", again
    raise PublishError(what, hint=hint) from error


def _said(error: Exception) -> str:
    """What the Hub itself says of a refusal, in brackets."""
    response = answer_to(error)
    said = response.headers.get("X-Error-Message", "") if response is not None else ""
    if response is not None and not said:
        with contextlib.suppress(ValueError):
            said = _reason_in(response.json())
    return f" (it says: {said.strip().rstrip('.')})" if said else ""


def _reason_in(found: object) -> str:
    if not isinstance(found, dict):
        return ""
    errors = found.get("errors")
    several = [str(each.get("message", "")) for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    return str(found.get("error") or "; ".join(several))
