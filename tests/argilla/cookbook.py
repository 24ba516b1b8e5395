"""An Argilla dataset as the older cookbook made it: two answers to a prompt, a rating and a rationale of each, suggestions.

The fields and questions are those its script made with distilabel's step for preference data, and the one question it added.
"""

from dataclasses import dataclass, field
from typing import Any

from pipeline.adapters.argilla_client import ArgillaClient, rows

Body = dict[str, Any]
RATINGS = ("generations-0-rating", "generations-1-rating")
RATIONALES = ("generations-0-rationale", "generations-1-rationale")


def _text(name: str, **more: object) -> Body:
    return {"name": name, "title": name, "required": False, "settings": {"type": "text", "use_markdown": False}} | more


def _rating(name: str, *, required: bool) -> Body:
    settings = {"type": "rating", "options": [{"value": value} for value in (1, 2, 3, 4, 5)]}
    return {"name": name, "title": name, "required": required, "settings": settings}


@dataclass
class OldDataset:
    """One such dataset; `records` are the server's ids of its records, in the order they were logged."""

    owner: ArgillaClient
    workspace_id: str
    name: str
    id: str = ""
    records: list[str] = field(default_factory=list)
    questions: dict[str, str] = field(default_factory=dict)

    def make(self) -> "OldDataset":
        """Make and publish it."""
        body = {"name": self.name, "workspace_id": self.workspace_id}
        path = f"datasets/{self._send('POST', 'datasets', body)['id']}"
        self.id = path.split("/")[1]
        for name in ("id", "instruction", "generations-0"):
            self._send("POST", f"{path}/fields", _text(name, required=True))
        self._send("POST", f"{path}/fields", _text("generations-1"))
        for place, (rating, rationale) in enumerate(zip(RATINGS, RATIONALES, strict=True)):
            self._send("POST", f"{path}/questions", _rating(rating, required=place == 0))
            self._send("POST", f"{path}/questions", _text(rationale))
        self._send("POST", f"{path}/questions", _text("improved_response"))
        self._send("PUT", f"{path}/publish")
        self.questions = {one["name"]: one["id"] for one in rows(self.owner.get(f"{path}/questions"))}
        return self

    def log(self, prompt: str, one: str, other: str | None, *, suggested: Body | None = None, agent: str | None = None) -> None:
        """Add a record; `suggested` are values by question."""
        suggestions = [
            {"question_id": self.questions[name], "value": value, "agent": agent} for name, value in (suggested or {}).items()
        ]
        fields = {"id": str(len(self.records)), "instruction": prompt, "generations-0": one, "generations-1": other}
        items = [{"fields": fields, "suggestions": suggestions, "metadata": {"predicted_generation_language": "nld_Latn"}}]
        self.records.append(rows(self._send("POST", f"datasets/{self.id}/records/bulk", {"items": items}))[0]["id"])

    def rate(self, person: ArgillaClient, place: int, *ratings: int, status: str = "submitted", **texts: str) -> None:
        """Rate a record as this person, or change what they said; `texts` by question, with _ for -."""
        said: Body = dict(zip(RATINGS, ratings, strict=False)) | {name.replace("_", "-"): text for name, text in texts.items()}
        if "improved-response" in said:
            said["improved_response"] = said.pop("improved-response")
        values = {name: {"value": value} for name, value in said.items()}
        item = {"record_id": self.records[place], "status": status, "values": values}
        (told,) = rows(person.send("POST", "me/responses/bulk", json={"items": [item]}))
        assert told["error"] is None, told

    def _send(self, method: str, path: str, body: object = None) -> Body:
        return self.owner.send(method, path, json=body, repeatable=False)
