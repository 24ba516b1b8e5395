"""distilabel LLM: OpenAILLM that sends only what every OpenAI-compatible server takes, and keeps the finish reason.

Importing this module imports distilabel, which takes seconds: `distilabel_engine` does so when a run starts.
"""

from typing import Any

from distilabel.models.llms import OpenAILLM
from distilabel.models.llms.base import AsyncLLM
from openai import AsyncOpenAI, DefaultAioHttpClient, omit
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from pipeline.adapters.endpoints import is_loopback


class EndpointLLM(OpenAILLM):  # type: ignore[misc]  # distilabel ships no types
    """A chat model behind an OpenAI-compatible address, asked one conversation at a time."""

    def load(self) -> None:
        """Open the client. It never retries by itself: the engine counts attempts and keeps the pace."""
        AsyncLLM.load(self)
        # The aiohttp transport costs a third of the CPU time per request of the default one.
        self._aclient = AsyncOpenAI(
            base_url=self.base_url,
            api_key=self.api_key.get_secret_value(),
            max_retries=0,
            timeout=self.timeout,
            # A proxy does not lead to a server on this machine, which `endpoints` finds without one.
            http_client=DefaultAioHttpClient(trust_env=not is_loopback(str(self.base_url))),
        )

    async def close(self) -> None:
        """Close the client's connections."""
        await self._aclient.close()

    # distilabel reads the parameters of `agenerate` from its signature, so they are listed.
    async def agenerate(
        self,
        input: list[ChatCompletionMessageParam],  # noqa: A002
        num_generations: int = 1,
        max_new_tokens: int = 1024,
    ) -> dict[str, Any]:
        """Return distilabel's generate output for one conversation, with `finish_reasons` and `refusals` beside it."""
        # OpenAI's own newer models refuse `max_tokens`; most other servers know nothing else.
        is_openai = "api.openai.com" in str(self.base_url)
        completion = await self._aclient.chat.completions.create(
            model=self.model,
            messages=input,
            n=num_generations,
            max_tokens=omit if is_openai else max_new_tokens,
            max_completion_tokens=max_new_tokens if is_openai else omit,
        )
        return self._generations_from_openai_completion(completion)

    def _generations_from_openai_completion(self, completion: ChatCompletion) -> dict[str, Any]:
        output: dict[str, Any] = super()._generations_from_openai_completion(completion)
        output["finish_reasons"] = [choice.finish_reason for choice in completion.choices]
        output["refusals"] = [choice.message.refusal for choice in completion.choices]
        return output
