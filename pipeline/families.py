"""Families: do two models come from the same house? A judge tends to favour the answers of its own.

Told from the names alone; where a name says nothing, two models are relatives when their names begin alike.
"""

import re

FAMILIES = {
    "qwen": ("qwen", "qwq"),
    "llama": ("llama", "vicuna", "tulu", "hermes"),
    "google": ("gemma", "gemini"),
    "openai": ("gpt", "chatgpt", "o1", "o3", "o4"),
    "anthropic": ("claude",),
    "mistral": ("mistral", "mixtral", "ministral", "magistral", "pixtral"),
    "cohere": ("command", "aya", "c4ai"),
    "deepseek": ("deepseek",),
    "microsoft": ("phi",),
    "zhipu": ("glm", "chatglm"),
    "moonshot": ("kimi", "moonshot"),
    "falcon": ("falcon",),
    "yi": ("yi",),
    "bloom": ("bloom", "bloomz"),
    "sea-lion": ("sea",),
    "eurollm": ("eurollm",),
    "smollm": ("smollm",),
}
"""House to the words its models' names begin with."""


def family(model: str) -> str:
    """Return the house a model comes from, or the word its name begins with."""
    name = model.lower().rsplit("/", 1)[-1].split(":", 1)[0]
    words = re.findall(r"[a-z]+\d?|\d+", name)
    for word in words:
        for house, beginnings in FAMILIES.items():
            if any(word == one or word.rstrip("0123456789") == one for one in beginnings):
                return house
    return words[0].rstrip("0123456789") if words else name


def are_related(one: str, other: str) -> bool:
    """Say whether two models come from the same house, as far as their names tell."""
    return family(one) == family(other)
