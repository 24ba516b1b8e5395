"""Spread: one model behind several servers or machines, which a run sees as one.

Each conversation goes to the member with the fewest under way; one that is down is passed over for a while. Where all
are down the run hears of it, and waits as it would for a single server.
"""

import asyncio
import time
from collections.abc import Sequence

from pipeline.adapters.distilabel_engine import Conversation, Messages
from pipeline.ports import Answer

REST_S = 15.0
"""How long a member that is down is asked only where the others are down too."""


class SpreadConversation(Conversation):
    """Several conversations with the same model, under the same parameters."""

    def __init__(self, members: Sequence[Conversation]) -> None:
        first = members[0]
        self.model, self.parameters, self.llm, self.base_url = first.model, first.parameters, first.llm, first.base_url
        self._members = members
        self._under_way = [0] * len(members)
        self._rests_until = [0.0] * len(members)

    async def ask(self, messages: Messages) -> Answer:
        """Return what a member says, asked once; what one that is down cannot take is asked of the next.

        Raises:
            EndpointError: A member refuses the key, or does not know the model.
        """
        left = set(range(len(self._members)))
        while True:
            number = self._choose(left)
            left.remove(number)
            self._under_way[number] += 1
            try:
                answer = await self._members[number].ask(messages)
            finally:
                self._under_way[number] -= 1
            if not answer.is_down:
                return answer
            self._rests_until[number] = time.monotonic() + REST_S
            if not left:
                return answer

    def _choose(self, left: set[int]) -> int:
        """The least busy of those left that do not rest, or of all left where each does."""
        now = time.monotonic()
        return min(left, key=lambda number: (self._rests_until[number] > now, self._under_way[number], number))

    async def close(self) -> None:
        """Close the connections of all members."""
        await asyncio.gather(*(member.close() for member in self._members))
