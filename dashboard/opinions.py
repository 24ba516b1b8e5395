"""Opinions: what people, judges and reviewers said, as a reader sees it: columns in words, sentences. No Streamlit."""

from collections.abc import Mapping

import pandas as pd

from dashboard.tables import CHOICES
from pipeline.agreement import AgreementReport
from pipeline.annotators import MIN_VOTES
from pipeline.curate import LengthBias
from pipeline.judge_check import JudgeCheck, Share
from pipeline.records import Choice

ORDERS: Mapping[str, str] = {
    "entropy": "most divided first",
    "margin": "narrowest lead first",
    "judge": "a judge contradicts the people",
    "audit": "drawn at random (to check the rest)",
}
SCALE = pd.DataFrame(
    [
        (".80 and more", "Rely on the data."),
        (".67 to .80", "Draw tentative conclusions only."),
        ("0 to .67", "Do not rely on single outcomes; more votes a pair or clearer guidelines help."),
        ("0 and less", "No better than chance."),
    ],
    columns=["alpha", "what Krippendorff (2004) advises"],
)
SCALE_LIMITS = (
    "The limits are a convention, made for coding facts in texts. Preferences are partly a matter of taste, so good "
    "preference data often stays below .67; and alpha falls where one choice dominates, however careful people are."
)


def anchors(report: AgreementReport) -> pd.DataFrame:
    """Return published figures beside those of this project."""
    with_others, percent = report.coefficients["with_others"], report.coefficients["percent"]
    rows = [
        ("Same as most of the others", _percent(with_others.value), "65.7 %", "AlpacaFarm (Dubois et al. 2023), people"),
        ("Two people make the same choice", _percent(percent.value), "81 %", "MT-bench (Zheng et al. 2023), people, no ties"),
    ]
    return pd.DataFrame(rows, columns=["measure", "here", "published", "where"])


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def share(found: Share) -> str:
    """Return a share with its interval and n in words."""
    if not found.n:
        return "not known yet"
    return f"{found.value:.0%} ({found.low:.0%} to {found.high:.0%}, {found.n:,} {'pair' if found.n == 1 else 'pairs'})"


def queue_sentence(found: pd.DataFrame, *, pairs_compared: int) -> str:
    """Say on how many pairs people differ, and how many of those a reviewer decided, of the frame of `adjudicate.queue`."""
    split = found[found["entropy"] > 0]
    if split.empty:
        return "Nowhere: on every pair with two votes or more, all votes are the same."
    start = f"On {len(split):,} of {pairs_compared:,} pairs with two votes or more, people differ"
    decided = int(split["is_decided"].sum())
    return f"{start}; a reviewer has decided {decided:,} of them." if decided else f"{start}. Open one to read it and decide."


def queue(found: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of `adjudicate.queue` in words, with the prompt; `pair_id` is the index."""
    with_prompt = found[["pair_id"]].merge(pairs[["pair_id", "prompt"]], on="pair_id", how="left")
    return pd.DataFrame(
        {
            "prompt": with_prompt["prompt"].to_numpy(),
            "votes": found["n_votes"].to_numpy(),
            "divided (0 to 2 bits)": found["entropy"].round(2).to_numpy(),
            "lead (% of the votes)": (100 * found["margin"]).round(0).to_numpy(),
            "judge contradicts": found["judge_conflict"].to_numpy(),
            "decided": found["is_decided"].to_numpy(),
        },
        index=found["pair_id"].to_numpy(),
    )


def history(said: pd.DataFrame, sides: Mapping[str, str]) -> pd.DataFrame:
    """Return the frame of `adjudicate.history` in words. `sides`: what the reader calls `first` and `second`."""
    words = {**CHOICES, str(Choice.SKIP): "skipped", **sides}
    is_review = said["who"].str.startswith("Reviewer")
    what = said["choice"].map(words).mask(is_review & (said["choice"] == Choice.SKIP), "took the decision back")
    return pd.DataFrame(
        {
            "who": said["who"],
            "said": what,
            "reason": said["reason"],
            "better wording": said["edited"],
            "when (UTC)": said["at"].dt.strftime("%Y-%m-%d %H:%M"),
            "counts now": said["counts"],
        }
    )


def judge_sentence(found: JudgeCheck) -> str:
    """Answer in a sentence whether this judge decides as people do."""
    sure = found.right_when_sure
    if not sure.n:
        return f"{found.judge} and people have no pair in common yet on which both prefer a response."
    trust = "It may fill in for missing votes." if sure.low >= 0.75 else "It should not stand in for people."
    return (
        f"Where {found.judge} prefers a response, people prefer the same one in {sure.value:.0%} of {sure.n:,} pairs; "
        f"at least {sure.low:.0%} can be counted on. {trust}"
    )


def judge_figures(found: JudgeCheck) -> pd.DataFrame:
    """Return what was measured of one judge, with published figures where there are any."""
    rows = [
        ("Says what people say", share(found.agreement), ""),
        ("Right where it prefers a response", share(found.right_when_sure), ""),
        ("Changes its mind when the seats are swapped", share(found.order_flips), "12.9 %"),
        ("Prefers the response it saw first", share(found.first_seat), "50 % would be fair"),
        ("Prefers the longer response", share(found.longer), "68 %"),
        ("People prefer the longer response, same pairs", share(found.people_longer), ""),
    ]
    return pd.DataFrame(rows, columns=["measure", "here", "published for a judge"])


def confusion(found: JudgeCheck) -> pd.DataFrame:
    """Return how often people said one thing and the judge another, in words."""
    table = found.confusion
    renamed = table.rename(columns={name: f"judge: {CHOICES[name]}" for name in ("first", "second", "tie")})
    return renamed.assign(people=table["people"].map(CHOICES)).rename(columns={"people": "people say"})


def by_gap(found: JudgeCheck) -> pd.DataFrame:
    """Return how often a judge is right by how far its two ratings are apart, in words."""
    table = found.by_gap
    return pd.DataFrame(
        {
            "ratings differ by": [f"{low:g} to {high:g}" for low, high in zip(table["from_gap"], table["to_gap"], strict=True)],
            "pairs": table["n"],
            "right (%)": (100 * table["right"]).round(0),
            "from": (100 * table["low"]).round(0),
            "to (95 %)": (100 * table["high"]).round(0),
        }
    )


def reliability(table: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of `calibration.reliability` in words."""
    return pd.DataFrame(
        {
            "said to be right (%)": (100 * table["confidence"]).round(0),
            "was right (%)": (100 * table["right"]).round(0),
            "from": (100 * table["low"]).round(0),
            "to (95 %)": (100 * table["high"]).round(0),
            "reviewed pairs": table["n"],
        }
    )


def length_sentence(bias: LengthBias) -> str:
    """Say whether longer responses win, and what a model trained on that would learn."""
    if not bias.n:
        return "No preference has responses of unequal length."
    start = (
        f"The longer response was chosen in {bias.share:.0%} of {bias.n:,} preferences ({bias.low:.0%} to {bias.high:.0%}); "
        f"chosen ones have {bias.chosen_chars:,.0f} characters on average, rejected ones {bias.rejected_chars:,.0f}."
    )
    if bias.low > 0.5:
        return f"{start} A model trained on this learns to write more."
    if bias.high < 0.5:
        return f"{start} A model trained on this learns to write less."
    return f"{start} No preference for length can be told from chance."


def leakage_sentence(repeated: int | None) -> str:
    """Say how many test prompts nearly repeat a training prompt; None where nothing is held out."""
    if repeated is None:
        return "Nothing is held out for testing yet: there are too few prompts. (Numbers for the saved rules.)"
    start = "No prompt stands in both the training and the test part"
    if not repeated:
        return f"{start}, and no test prompt nearly repeats a training prompt. (Numbers for the saved rules.)"
    return f"{start}, but {repeated:,} test prompts nearly repeat a training prompt. (Numbers for the saved rules.)"


DIMENSIONS: Mapping[str, str] = {
    "annotation_type": "kind of prompt",
    "prompt_length": "length of the prompt",
    "length_difference": "difference in length of the responses",
    "model": "model that wrote the response",
    "week": "week of the vote",
    "guidelines": "version of the guidelines",
    "language": "language, over all projects",
}


def segments(found: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of `segments.by_segment` in words."""
    return pd.DataFrame(
        {
            "segment": found["segment"],
            "votes": found["votes"],
            "pairs compared": found["pairs"],
            "same choice (%)": (100 * found["percent"]).round(0),
            "from": (100 * found["low"]).round(0),
            "to (95 %)": (100 * found["high"]).round(0),
            "alpha": found["alpha"].round(2),
            "alpha from": found["alpha_low"].round(2),
            "alpha to": found["alpha_high"].round(2),
            "note": found["note"],
        }
    )


def nothing_asked(examined: pd.DataFrame) -> str:
    """Say why nothing is asked of anybody: nothing stands out, or there are too few votes to tell."""
    enough = int((examined["votes"] >= MIN_VOTES).sum())
    if not enough:
        return f"Too few votes to tell: nothing is asked of anybody with fewer than {MIN_VOTES}."
    few = len(examined) - enough
    return "Nothing stands out in how people vote." + (f" {few:,} of them cast fewer than {MIN_VOTES} votes yet." if few else "")


def people(examined: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the frame of `annotators.examine` in words; `names`: what to call each annotator."""
    return pd.DataFrame(
        {
            "person": examined["annotator"].map(lambda name: names.get(name, name)),
            "votes": examined["votes"],
            "days": examined["days"],
            "seconds per vote (median)": examined["median_seconds"].round(1),
            "like most others (%)": (100 * examined["same_share"]).round(0),
            "from": (100 * examined["same_low"]).round(0),
            "to (95 %)": (100 * examined["same_high"]).round(0),
            "votes compared": examined["compared"],
            "chose what was shown first (%)": (100 * examined["shown_first_share"]).round(0),
            "chose the longer (%)": (100 * examined["longer_share"]).round(0),
            "most frequent answer (%)": (100 * examined["same_answer_share"]).round(0),
            "faster than can be read (%)": (100 * examined["fast_share"]).round(0),
            "same answer when asked again (%)": (100 * examined["repeat_share"]).round(0),
            "asked again": examined["repeats"],
            "like most others, first half (%)": (100 * examined["early_share"]).round(0),
            "second half (%)": (100 * examined["late_share"]).round(0),
        }
    )
