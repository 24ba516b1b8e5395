"""Model tables: what models wrote, judged, cost and failed at, as a reader sees it. A frame in, a frame out. No Streamlit."""

from collections.abc import Mapping

import pandas as pd

from pipeline.ports import failure
from pipeline.screens import EXPLAINED
from pipeline.tongues import name_of


def failures(failed: pd.DataFrame, prompts: Mapping[str, str]) -> pd.DataFrame:
    """Show failed requests, newest first. `failed`: as `Store.failures`; `prompts`: id to text."""
    shown = pd.DataFrame(
        {
            "reason": failed["error"].map(failure),
            "prompt": failed["prompt_id"].map(lambda prompt: prompts.get(prompt, "")),
            "model": failed["model"],
            "in the server's words": failed["detail"],
            "tries": failed["attempts"],
            "last tried (UTC)": failed["at"].str[:16].str.replace("T", " "),
        }
    )
    return shown.iloc[::-1].reset_index(drop=True)


def answers(by_model: pd.DataFrame, screened: pd.DataFrame) -> pd.DataFrame:
    """Show what each model has answered. `by_model`: as `generate.by_model`; `screened`: as `screens.by_model`."""
    told = by_model.merge(screened.drop(columns="answers"), on="model", how="left")
    return pd.DataFrame(
        {
            "model": told["model"],
            "answers": told["answers"],
            "cut short": told["truncated"],
            "set aside": told["set_aside"],
            "in another language (95 % interval)": _shares(told, "wrong"),
            "tokens an answer": told["tokens_out"].round(),
            "US dollars": told["cost_usd"].round(4),
        }
    )


def _shares(told: pd.DataFrame, name: str) -> list[str]:
    """Each share of a column in percent with its interval; nothing where it is not known."""
    columns = (told[f"{name}_{part}"].astype(float) for part in ("share", "low", "high"))
    return ["" if pd.isna(one) else f"{one:.1%} ({low:.1%} to {high:.1%})" for one, low, high in zip(*columns, strict=True)]


def screens(counted: pd.DataFrame) -> pd.DataFrame:
    """Show what was noticed. `counted`: as `screens.counts`."""
    return pd.DataFrame(
        {
            "noticed": counted["reason"].map(EXPLAINED),
            "answers": counted["responses"],
            "set aside": counted["set_aside"],
        }
    )


def screened_answers(rows: pd.DataFrame) -> pd.DataFrame:
    """Show noticed answers. `rows`: as `ScreenStore.all`."""
    return pd.DataFrame(
        {
            "model": rows["source"],
            "answer": rows["text"],
            "why": rows["detail"],
            "written in": rows["language"].map(name_of),
            "set aside": rows["is_out"],
        }
    )


def judges(told: pd.DataFrame) -> pd.DataFrame:
    """Show how each judge judged. `told`: as `judge.by_judge`."""
    return pd.DataFrame(
        {
            "judge": told["judge"],
            "pairs, both orders": told["pairs"],
            "changed with the order (95 % interval)": _shares(told, "flip"),
            "equally good": told["ties"],
            "human preferred": told["human_preferred"].astype(str) + " of " + told["against_human"].astype(str),
            "longer preferred": told["longer_preferred"].astype(str) + " of " + told["decided"].astype(str),
            "same family as": told["relatives"],
        }
    )


def spend(asked: pd.DataFrame) -> pd.DataFrame:
    """Show what was spent. `asked`: as `Ledger.spend`."""
    answers = asked["answers"].where(asked["answers"] > 0)
    return pd.DataFrame(
        {
            "for": asked["purpose"].map({"generate": "answers", "judge": "judging"}),
            "model": asked["model"],
            "answers": asked["answers"],
            "failed": asked["failed"],
            "tokens read": asked["tokens_in"],
            "tokens written": asked["tokens_out"],
            "US dollars": asked["cost_usd"].round(4),
            "US dollars for 1,000": (1000 * asked["cost_usd"] / answers).round(4),
            "seconds an answer": (asked["request_seconds"] / answers).round(2),
        }
    )


def counted(n: int, one: str, several: str) -> str:
    """Return a number with the word that goes with it."""
    return f"{n:,} {one if n == 1 else several}"


def duration(seconds: float) -> str:
    """Return a length of time in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
