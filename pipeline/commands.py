"""Commands: what would a person type for this work, and what does a typed command say?

A command names the key's variable, never the key.
"""

from collections.abc import Sequence

from pipeline.records import Endpoint, Runner


def command_of(
    kind: str,
    name: str,
    endpoint: Endpoint,
    limit: int | None,
    among: Sequence[str] = (),
    style: str = "",
    judged_by: Endpoint | None = None,
    runner: Runner = Runner.LOCAL,
) -> list[str]:
    """Return the command a person would type for this work; it names the key's variable, never the key."""
    options = {
        "--model": endpoint.model,
        "--base-url": endpoint.base_url,
        "--api-key-env": endpoint.api_key_env or None,
        "--concurrency": endpoint.concurrency,
        "--budget": endpoint.budget_usd,
        "--price-in": endpoint.price_in,
        "--price-out": endpoint.price_out,
        "--temperature": endpoint.temperature,
        "--max-tokens": endpoint.max_tokens,
        "--limit": limit,
        "--style": style or None,
        "--runner": runner if runner is not Runner.LOCAL else None,
    }
    if judged_by:
        options |= {
            "--judge-model": judged_by.model,
            "--judge-base-url": judged_by.base_url if judged_by.base_urls != endpoint.base_urls else None,
            "--judge-api-key-env": judged_by.api_key_env or None,
            "--judge-price-in": judged_by.price_in,
            "--judge-price-out": judged_by.price_out,
        }
    given = [f"{option}={value}" for option, value in options.items() if value is not None]
    given += [f"--base-url={address}" for address in endpoint.more_urls]
    given += [f"--among={model}" for model in among]
    return [kind, *given, "--", name]


def values_of(command: Sequence[str], option: str) -> list[str]:
    """Return all values of an option in a command, in order."""
    values = []
    for word, after in zip(command, (*command[1:], ""), strict=True):
        if word == option:
            values.append(after)
        elif word.startswith(f"{option}="):
            values.append(word.split("=", 1)[1])
    return values


def endpoint_of(command: Sequence[str]) -> Endpoint:
    """Return the model, its servers and the terms that a command names, as `command_of` writes them."""

    def text(option: str) -> str:
        return next(iter(values_of(command, option)), "")

    def number(option: str) -> float | None:
        return float(value) if (value := text(option)) else None

    first, *more = values_of(command, "--base-url") or [""]
    usual = Endpoint(model="", base_url="")
    return Endpoint(
        model=text("--model"),
        base_url=first,
        more_urls=tuple(more),
        api_key_env=text("--api-key-env"),
        concurrency=int(number("--concurrency") or usual.concurrency),
        budget_usd=number("--budget"),
        price_in=number("--price-in"),
        price_out=number("--price-out"),
        temperature=number("--temperature"),
        max_tokens=int(number("--max-tokens") or usual.max_tokens),
    )


def with_budget(command: Sequence[str], budget_usd: float) -> list[str]:
    """Return a command that has a budget with another one."""
    return [f"--budget={budget_usd}" if word.startswith("--budget=") else word for word in command]
