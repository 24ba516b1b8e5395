"""Stored LLM: an LLM for anybody's distilabel pipeline that never pays twice.

It takes the place of any other in any task: what the workspace holds is not asked for again, and each answer is committed
as it arrives, under the key that `python -m pipeline generate` gives it. Importing this module imports distilabel.
"""

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from distilabel.constants import SIGINT_HANDLER_CALLED_ENV_NAME
from pydantic import Field, PrivateAttr

from pipeline.adapters.conversations import open_conversation
from pipeline.adapters.distilabel_llm import EndpointLLM, Message
from pipeline.adapters.store import Store, open_store
from pipeline.errors import EndpointError
from pipeline.estimates import TOKENS_AROUND, rough_tokens
from pipeline.lane import Lane, Purpose, Question
from pipeline.owners import is_dead
from pipeline.ports import Made
from pipeline.records import Endpoint, Request, prompt_id
from pipeline.runner import run
from pipeline.settings import Settings


class StoredLLM(EndpointLLM):
    """An LLM that never pays twice.

    Args:
        workspace: The folder of the workspace. Its process reads the database's address and the key from its environment.
        project: The project that pays.
        terms: The fields of an `Endpoint` beside model and address, such as `concurrency`, `api_key_env` or `budget_usd`.
        system_prompt_version: Which version of the project's system prompt the conversations begin with; empty for none.
        owner: The run that this belongs to, after whose end it asks for nothing more; empty for none.
        refusal_path: Where it is written why no request can succeed, such as a refused key; nothing more is asked for then.
            Empty to raise it, which distilabel takes for the fault of one batch.
    """

    workspace: str
    project: str
    terms: dict[str, Any] = Field(default_factory=dict)
    system_prompt_version: str = ""
    owner: str = ""
    refusal_path: str = ""

    _store: Store | None = PrivateAttr(None)

    def load(self) -> None:
        """Open the workspace."""
        super().load()
        self._store = open_store(Settings.from_env(os.environ, workspace=self.workspace).store_url)

    def generate(
        self, inputs: list[list[Message]], num_generations: int = 1, max_new_tokens: int = 1024, temperature: float | None = None
    ) -> list[dict[str, Any]]:
        """Return distilabel's generate output for each conversation; None in the place of an answer that did not come."""
        assert self._store is not None, "distilabel loads an LLM before it asks"
        terms = self.terms | {"max_tokens": max_new_tokens, "temperature": temperature}
        endpoint = Endpoint(model=self.model, base_url=str(self.base_url), **terms)
        conversation, came = open_conversation(endpoint), dict[str, Request]()
        language = self._store.project(self.project).language

        def keep(request: Request) -> Made:
            came[request.key] = request
            return Made(request=request)

        questions = [
            Question(
                key=conversation.key(messages, sample),
                prompt_id=prompt_id(language, str(messages[-1]["content"])),
                ask=partial(conversation.ask, messages),
                make=keep,
                rough_tokens=(rough_tokens(json.dumps(messages, ensure_ascii=False))[1] + TOKENS_AROUND, max_new_tokens),
            )
            for messages in inputs
            for sample in range(num_generations)
        ]
        purpose = Purpose(
            project=self.project,
            name="generate",
            model=self.model,
            parameters=conversation.parameters,
            system_prompt_version=self.system_prompt_version,
        )
        lane = Lane(purpose=purpose, endpoint=endpoint, questions=questions, total=len(questions), close=conversation.close)
        try:
            run(self._store, [lane], should_stop=self._should_stop)
        except EndpointError as error:
            if not self.refusal_path:
                raise
            Path(self.refusal_path).write_text(json.dumps([error.message, error.hint]), encoding="utf-8")
        found = [came.get(question.key) for question in questions]
        return [_output(found[start : start + num_generations]) for start in range(0, len(found), num_generations)]

    def _should_stop(self) -> bool:
        is_refused = bool(self.refusal_path) and Path(self.refusal_path).exists()
        return is_refused or SIGINT_HANDLER_CALLED_ENV_NAME in os.environ or bool(self.owner and is_dead(self.owner))


def _output(requests: Sequence[Request | None]) -> dict[str, Any]:
    """What distilabel's tasks read of the answers to one conversation."""
    return {
        "generations": [None if one is None or one.error else one.text for one in requests],
        "statistics": {
            "input_tokens": [one.tokens_in if one else 0 for one in requests],
            "output_tokens": [one.tokens_out if one else 0 for one in requests],
        },
    }
