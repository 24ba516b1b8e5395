"""Commands: what would a person type for this work? It names the key's variable, never the key."""

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
