"""distilabel LLM: a model behind an OpenAI-compatible address, for distilabel's tasks and pipelines.

Importing this module imports distilabel, which takes seconds: `distilabel_engine` does so when a run starts.
"""

from collections.abc import Mapping
from typing import Any

from distilabel.models.llms import OpenAILLM
from distilabel.models.llms.base import AsyncLLM

from pipeline.adapters.chat_client import ChatClient, read_completion

Message = dict[str, Any]


class EndpointLLM(OpenAILLM):  # type: ignore[misc]  # distilabel ships no types
    """Sends only what every OpenAI-compatible server takes, and keeps the finish reason."""

    def load(self) -> None:
        """Prepare the client; connections are made at the first request."""
        AsyncLLM.load(self)
        # distilabel would open an openai client here, which costs eight times the CPU time per request.
        self._aclient = ChatClient(str(self.base_url), self.api_key.get_secret_value())

    async def close(self) -> None:
        """Close the client's connections."""
        await self._aclient.close()

    # distilabel reads the parameters of `agenerate` from its signature, so they are listed.
    async def agenerate(
        self,
        input: list[Message],  # noqa: A002
        num_generations: int = 1,
        max_new_tokens: int = 1024,
        temperature: float | None = None,
    ) -> dict[str, Any]:
        """Return distilabel's generate output for one conversation.

        Beside it stand `finish_reasons` and `refusals` of each choice, and the `revision` of the model where the server tells.
        Fewer choices than asked for come back as they are: some servers give one whatever is asked.
        """
        # OpenAI's own newer models refuse `max_tokens`; most other servers know nothing else.
        longest = "max_completion_tokens" if "api.openai.com" in str(self.base_url) else "max_tokens"
        body: dict[str, object] = {"model": self.model, "messages": input, longest: max_new_tokens}
        if num_generations > 1:
            body["n"] = num_generations
        if temperature is not None:
            body["temperature"] = temperature
        told = await self._aclient.complete(body)
        choices, tokens_in, tokens_out = read_completion(told)
        return {
            "generations": [choice["text"] for choice in choices],
            "statistics": {"input_tokens": [tokens_in], "output_tokens": [tokens_out]},
            "finish_reasons": [choice["finish_reason"] for choice in choices],
            "refusals": [choice["refusal"] for choice in choices],
            "revision": _revision(told, self.model),
        }


def _revision(told: Mapping[str, object], asked: str) -> str:
    """The fingerprint of what answered, and the model's name where the server gives a more exact one."""
    served, fingerprint = told.get("model"), told.get("system_fingerprint")
    return " ".join(str(one)[:100] for one in (served if served != asked else None, fingerprint) if one)
