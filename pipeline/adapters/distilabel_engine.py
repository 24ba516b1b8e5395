"""distilabel engine: its tasks and LLM, asked item by item, with failures told apart.

DistilabelGenerator (TextGeneration) and DistilabelJudge (UltraFeedback) turn one conversation into one Answer. What
no retry mends for any prompt (a refused key, an unknown model, no credit) is raised as EndpointError.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeAlias

from pipeline.adapters.chat_client import AddressError, BrokenError, MalformedError, RefusedError, UnreachableError
from pipeline.errors import EndpointError
from pipeline.ports import Answer, FailureReason, Verdict
from pipeline.records import Choice, content_id, is_text, storable

TIMEOUT_S = 120.0
"""How long one request may take."""

NO_KEY = "none"
"""Sent where no key is given: the client insists on one, local servers do not read it."""

MESSAGES_KEPT = 512
"""A conversation is written for its key first and for the request soon after; distilabel's templates are slow."""

TOO_LONG = re.compile(r"context.{0,20}(length|size|window)|too (long|many tokens)|maximum.{0,20}(tokens|length)", re.IGNORECASE)
FILTERED = re.compile(r"content.{0,20}(filter|polic|management)|moderation|flagged", re.IGNORECASE)

Messages: TypeAlias = list[dict[str, Any]]


@contextmanager
def quiet_distilabel() -> Iterator[None]:
    """Import and load distilabel without its notes to its own developers; it takes three seconds, when a run starts.

    distilabel 1.5.3 declares fields in a way pydantic 2.12 warns about, uses names it deprecated itself, and leaves
    template files open; each request it makes would be a line in the log. It also has every later crash print the local
    variables, keys and answers among them.
    """
    for name in ("distilabel", "httpx", "httpx2", "openai"):
        logging.getLogger(name).setLevel(logging.ERROR)
    as_it_was = sys.excepthook
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            sys.excepthook = as_it_was


class Conversation:
    """A model at an address, asked one conversation at a time; names what went wrong, and leaves it to others to retry.

    Args:
        model: The model id, as the server names it.
        base_url: An OpenAI-compatible address, such as `http://localhost:11434/v1`.
        api_key: Never stored, logged or shown; empty for local servers.
        max_new_tokens: The longest answer asked for.
        temperature: How freely the model chooses its words; None for the server's own.
        timeout_s: The longest one request may take, from first byte sent to last byte read.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str,
        api_key: str = "",
        max_new_tokens: int = 1024,
        temperature: float | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.model = model
        self.base_url = base_url
        # Only what is set: answers made before there was a temperature keep their keys.
        free: dict[str, object] = {} if temperature is None else {"temperature": temperature}
        self.parameters: Mapping[str, object] = {"max_new_tokens": max_new_tokens, **free}
        self._api_key, self._max_new_tokens, self._temperature = api_key, max_new_tokens, temperature
        self._timeout_s = timeout_s
        with quiet_distilabel():
            from pipeline.adapters.distilabel_llm import EndpointLLM

            self.llm = EndpointLLM(model=model, base_url=base_url, api_key=api_key or NO_KEY)
            self.llm.load()

    async def close(self) -> None:
        """Close the connections."""
        await self.llm.close()

    def key(self, messages: Messages, sample: int) -> str:
        """Return the hash of model, messages, parameters and sample index."""
        return content_id("request", self.model, json.dumps(messages), json.dumps(self.parameters, sort_keys=True), str(sample))

    async def ask(self, messages: Messages) -> Answer:
        """Return what the model says, asked once.

        Raises:
            EndpointError: The key is refused, the model is unknown, the account has no credit, or the address is wrong.
        """
        started = time.monotonic()
        return replace(await self._ask(messages), seconds=round(time.monotonic() - started, 3))

    async def _ask(self, messages: Messages) -> Answer:
        try:
            # The transport's own time-out starts again with every byte that drips in.
            async with asyncio.timeout(self._timeout_s):
                return _read(
                    await self.llm.agenerate(input=messages, max_new_tokens=self._max_new_tokens, temperature=self._temperature)
                )
        except RefusedError as error:
            return self._refused(error)
        except MalformedError as error:
            return _failure(FailureReason.MALFORMED, str(error))
        except AddressError as error:
            raise EndpointError(
                f"The address {self.base_url} cannot be used: {error}.",
                hint="Check the address (most end in /v1), and that the server's certificate is valid.",
            ) from error
        except UnreachableError as error:
            said = f"nothing answers at {self.base_url} ({error})"
            return _failure(FailureReason.CONNECTION, said, is_down=True)
        except TimeoutError:
            return _failure(FailureReason.TIMEOUT, f"no answer within {self._timeout_s:g} seconds")
        except BrokenError as error:
            return _failure(FailureReason.CONNECTION, f"the connection broke ({error})")

    def _refused(self, error: RefusedError) -> Answer:
        """Translate an HTTP status: raise where the whole run is in vain, else name the failure of this item."""
        status, code, said = error.status, error.code, self._without_key(error.said)
        if 400 <= status < 500 and FILTERED.search(f"{code} {said}"):
            return _failure(FailureReason.CONTENT_FILTER, said)
        self._raise_if_in_vain(status, code, said)
        if status == 429:
            return _failure(FailureReason.RATE_LIMIT, said, wait_s=error.wait_s)
        if status == 413 or "context_length" in code or (status < 500 and TOO_LONG.search(said)):
            return _failure(FailureReason.TOO_LONG, said)
        if status >= 500 or status in (408, 409, 425):
            is_down = status in (502, 503, 504)
            return _failure(FailureReason.SERVER_ERROR, f"status {status}: {said}", wait_s=error.wait_s, is_down=is_down)
        return _failure(FailureReason.BAD_REQUEST, f"status {status}: {said}")

    def _raise_if_in_vain(self, status: int, code: str, said: str) -> None:
        """End the run where no other request can fare better."""
        if status in (401, 403):
            raise EndpointError(
                f"The server refuses the key: {said}",
                hint="Check that the variable named with --api-key-env holds a valid key for this server and this model.",
            )
        if status == 402 or code == "insufficient_quota":
            raise EndpointError(
                f"The account at the server has no credit left: {said}",
                hint="Add credit with the provider, then start again: everything saved so far is kept.",
            )
        if status in (404, 405):
            raise EndpointError(
                f"The server at {self.base_url} does not know the model {self.model}: {said}",
                hint="Check the model's name and the address; most addresses end in /v1.",
            )
        if status < 400:
            raise EndpointError(
                f"The server at {self.base_url} sends requests elsewhere (status {status}).",
                hint="Give the address it leads to; often that is the same one with https.",
            )

    def _without_key(self, said: str) -> str:
        """The server's words as a sentence, cut to a length for a table; some servers repeat the key they refuse."""
        kept = storable((said.replace(self._api_key, "[key]") if self._api_key else said)[:300]).strip()
        return kept if kept.endswith((".", "!", "?", "。", "…")) else f"{kept}."


def _failure(reason: FailureReason, detail: str, *, wait_s: float | None = None, is_down: bool = False) -> Answer:
    return Answer(text=None, error=str(reason), detail=storable(detail[:300]), wait_s=wait_s, is_down=is_down)


def _tokens(counts: object) -> int:
    """The tokens a server counted for one choice; 0 where it counted none."""
    return counts[0] if isinstance(counts, list) and counts else 0


def _read(output: Mapping[str, Any]) -> Answer:
    """Turn distilabel's generate output into an answer; refused, filtered, blank and unstorable ones are failures."""
    statistics = output["statistics"]
    counted = Answer(
        text=None,
        tokens_in=_tokens(statistics.get("input_tokens")),
        tokens_out=_tokens(statistics.get("output_tokens")),
        revision=storable(output.get("revision", "")),
    )
    text, refusal = output["generations"][0], output["refusals"][0]
    finish_reason = storable(output["finish_reasons"][0])
    if finish_reason == "content_filter" or (refusal and not text):
        reason, detail = FailureReason.CONTENT_FILTER, refusal or "the server's filter stopped the answer"
    elif not text or not text.strip():
        reason, detail = FailureReason.EMPTY, f"the answer is empty (finish reason: {finish_reason or 'none given'})"
    elif not is_text(text):
        reason, detail = FailureReason.MALFORMED, "the answer holds half a character or a NUL, which cannot be stored"
    else:
        return replace(counted, text=text, finish_reason=finish_reason)
    return replace(counted, error=str(reason), detail=storable(detail[:300]), finish_reason=finish_reason)


class DistilabelGenerator:
    """Answers prompts with distilabel's TextGeneration."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        with quiet_distilabel():
            from distilabel.steps.tasks import TextGeneration

            self._task = TextGeneration(name="generate", llm=conversation.llm)
            self._task.load()
        self.model, self.parameters = conversation.model, conversation.parameters
        self._messages = lru_cache(MESSAGES_KEPT)(self._write)

    def _write(self, system_prompt: str, prompt: str) -> Messages:
        messages: Messages = self._task.format_input({"instruction": prompt, "system_prompt": system_prompt})
        return messages

    def request_key(self, system_prompt: str, prompt: str, sample: int = 0) -> str:
        """Return the hash of model, messages, parameters and sample index."""
        return self._conversation.key(self._messages(system_prompt, prompt), sample)

    async def answer(self, system_prompt: str, prompt: str) -> Answer:
        """Ask once; return the model's answer, or why there is none."""
        return await self._conversation.ask(self._messages(system_prompt, prompt))

    async def close(self) -> None:
        """Close the connections."""
        await self._conversation.close()


class DistilabelJudge:
    """Rates two responses with distilabel's UltraFeedback (overall rating, 1 to 5)."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        with quiet_distilabel():
            from distilabel.steps.tasks import UltraFeedback

            self._task = UltraFeedback(name="judge", aspect="overall-rating", llm=conversation.llm)
            self._task.load()
        self.model, self.parameters = conversation.model, conversation.parameters
        self.name = conversation.model
        self._messages = lru_cache(MESSAGES_KEPT)(self._write)

    def _write(self, prompt: str, texts: tuple[str, str]) -> Messages:
        messages: Messages = self._task.format_input({"instruction": prompt, "generations": list(texts)})
        return messages

    def request_key(self, prompt: str, texts: tuple[str, str]) -> str:
        """Return the hash of model, messages and parameters."""
        return self._conversation.key(self._messages(prompt, texts), 0)

    async def rate(self, prompt: str, texts: tuple[str, str]) -> Answer:
        """Ask once; return the verdict in the model's own words."""
        return await self._conversation.ask(self._messages(prompt, texts))

    def read(self, verdict: str) -> Verdict | None:
        """Return the two ratings a verdict holds, None when it holds no two from 1 to 5."""
        try:
            parsed = self._task.format_output(verdict, {"generations": ["", ""]})
        except IndexError:
            # distilabel 1.5.3 takes for granted that a rating holds a number.
            return None
        ratings = [float(value) for value in parsed["ratings"] if value is not None]
        if len(ratings) != 2 or not all(1 <= rating <= 5 for rating in ratings):
            return None
        one, other = ratings
        better = Choice.FIRST if one > other else Choice.SECOND
        return Verdict(
            choice=Choice.TIE if one == other else better,
            ratings=(one, other),
            rationales=tuple((why or "").strip() for why in parsed["rationales"]),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._conversation.close()
