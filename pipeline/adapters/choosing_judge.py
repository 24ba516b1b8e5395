"""Choosing judge: a model is shown two responses and says which is better, or that neither is.

The instructions follow the pairwise judge of Zheng et al. (2023), "Judging LLM-as-a-Judge with MT-Bench and Chatbot
Arena": reasons first, the verdict in brackets last, so that the reasons can be kept and the verdict read for certain.
"""

import re

from pipeline.adapters.distilabel_engine import Conversation, Messages
from pipeline.judge import CHOICE, judge_name
from pipeline.ports import Answer, Verdict
from pipeline.records import Choice

INSTRUCTIONS = """\
Please act as an impartial judge and evaluate the quality of the two responses to the prompt displayed below. Choose the
response that follows the prompt better and helps the person who wrote it more, in the language of the prompt. Consider
correctness, helpfulness, relevance, depth and clarity. Do not let the order of the responses or their length influence
you. First compare the two responses in a few sentences. Then output your final verdict by strictly following this
format: "[[A]]" if response A is better, "[[B]]" if response B is better, and "[[C]]" if they are equally good."""
LAYOUT = """\
[Prompt]
{prompt}

[The start of response A]
{first}
[The end of response A]

[The start of response B]
{second}
[The end of response B]"""
_VERDICT = re.compile(r"\[\[([ABC])\]\]")
_CHOICES = {"A": Choice.FIRST, "B": Choice.SECOND, "C": Choice.TIE}


class ChoosingJudge:
    """Asks a model which of two responses is better."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.model, self.parameters = conversation.model, conversation.parameters
        self.name = judge_name(conversation.model, CHOICE)

    def _messages(self, prompt: str, texts: tuple[str, str]) -> Messages:
        # Put in one after the other, so that braces in a text are never taken for a place to fill.
        parts = {"{prompt}": prompt, "{first}": texts[0], "{second}": texts[1]}
        shown = re.sub(r"\{(prompt|first|second)\}", lambda found: parts[found[0]], LAYOUT)
        return [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": shown}]

    def request_key(self, prompt: str, texts: tuple[str, str]) -> str:
        """Return the hash of model, messages and parameters."""
        return self._conversation.key(self._messages(prompt, texts), 0)

    async def rate(self, prompt: str, texts: tuple[str, str]) -> Answer:
        """Ask once; return the verdict in the model's own words."""
        return await self._conversation.ask(self._messages(prompt, texts))

    def read(self, verdict: str) -> Verdict | None:
        """Return the choice a verdict ends with, None where it holds none or two different ones."""
        found = set(_VERDICT.findall(verdict))
        if len(found) != 1:
            return None
        why = _VERDICT.sub("", verdict).strip()
        return Verdict(choice=_CHOICES[found.pop()], rationales=(why,))

    async def close(self) -> None:
        """Close the connections."""
        await self._conversation.close()
