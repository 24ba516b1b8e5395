"""Tables: a frame in, the frame a reader sees out: columns in words, rounded numbers. No Streamlit."""

from collections.abc import Mapping

import pandas as pd

from pipeline.agreement import AgreementReport
from pipeline.curate import REASONS, Curation

COEFFICIENTS: Mapping[str, str] = {
    "percent": "Same choice (raw agreement)",
    "krippendorff_nominal": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
    "with_others": "Same as most of the others",
    "cohen_mean": "Cohen's kappa, mean",
    "fleiss": "Fleiss' kappa",
    "krippendorff_ordinal": "Krippendorff's alpha, ordinal",
    "gwet_ac2": "Gwet's AC2, ordinal",
}
MAIN_COEFFICIENTS = ("percent", "krippendorff_nominal", "gwet_ac1")

CHOICES: Mapping[str, str] = {
    "first": "first",
    "second": "second",
    "tie": "equally good",
    "both_bad": "both bad",
    "none": "no consensus",
}

_STATUS_STAGES = {
    "prompts": "prompts",
    "responses": "responses by models",
    "pairs": "pairs",
    "completed_pairs": "pairs with all votes",
    "preferences": "preferences",
}


def money(usd: float) -> str:
    """Return an amount in US dollars: cents from a dollar on, more digits below."""
    return f"${usd:,.2f}" if usd == 0 or usd >= 1 else f"${usd:.4f}"


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """Return `0.86 (0.84 to 0.89)`, or a dash for what is undefined."""
    if value is None:
        return "–"
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f} ({low:.2f} to {high:.2f})"


def funnel(status: Mapping[str, object]) -> pd.DataFrame:
    """Return the stages of a project's status, for `charts.funnel`: columns `stage`, `n`."""
    return pd.DataFrame({"stage": list(_STATUS_STAGES.values()), "n": [status[name] for name in _STATUS_STAGES]})


def stages(funnel_frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of `progress.funnel` in words, shares in percent."""
    return pd.DataFrame(
        {"stage": funnel_frame["stage"], "rows": funnel_frame["n"], "of the prompts (%)": (100 * funnel_frame["share"]).round(1)}
    )


def annotators(by_annotator: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of `progress.by_annotator` in words."""
    return pd.DataFrame(
        {
            "annotator": by_annotator["annotator"],
            "votes": by_annotator["votes"],
            "of all votes (%)": (100 * by_annotator["share"]).round(1),
            "skips": by_annotator["skips"],
            "days active": by_annotator["days_active"],
            "seconds per vote (median)": by_annotator["median_seconds"].round(1),
            "last vote": by_annotator["last_active"].dt.strftime("%Y-%m-%d %H:%M UTC"),
        }
    )


def days(daily: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of `progress.votes_per_day`, newest day first."""
    newest_first = daily.iloc[::-1].reset_index(drop=True)
    return newest_first.rename(columns={"day": "day (UTC)", "total": "votes so far"})


def coefficients(report: AgreementReport, names: tuple[str, ...] = tuple(COEFFICIENTS)) -> pd.DataFrame:
    """Return one row per coefficient, numbers kept for `charts.coefficients`.

    Columns `name, label, value, low, high, wide_low, wide_high, n, why`; NaN where undefined.
    """
    rows = [
        {"name": name, "label": COEFFICIENTS[name]}
        | {
            field: getattr(report.coefficients[name], field)
            for field in ("value", "low", "high", "wide_low", "wide_high", "n", "why")
        }
        for name in names
    ]
    frame = pd.DataFrame(rows)
    numbers = ["value", "low", "high", "wide_low", "wide_high"]
    return frame.assign(**frame[numbers].astype(float))


def coefficients_in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of `coefficients` as a reader sees it."""
    rounded = table[["value", "low", "high", "wide_low", "wide_high"]].round(3)
    return pd.DataFrame(
        {
            "coefficient": table["label"],
            "value": rounded["value"],
            "from": rounded["low"],
            "to": rounded["high"],
            "from, other people too": rounded["wide_low"],
            "to, other people too": rounded["wide_high"],
            "pairs": table["n"],
            "note": table["why"],
        }
    )


def annotator_pairs(together: pd.DataFrame) -> pd.DataFrame:
    """Return the annotator pairs of an AgreementReport in words."""
    return pd.DataFrame(
        {
            "annotator": together["a"],
            "and": together["b"],
            "pairs in common": together["n"],
            "same choice (%)": (100 * together["percent"]).round(1),
            "Cohen's kappa": together["cohen"].round(3),
        }
    )


def annotator_matrix(together: pd.DataFrame, *, at_most: int = 30) -> pd.DataFrame:
    """Return annotator x annotator shares of the same choice, for the annotators with most pairs in common.

    `together`: columns `a, b, n, percent`. The diagonal is missing: nobody is compared with themselves.
    """
    ends = pd.concat([together[["a", "n"]].rename(columns={"a": "name"}), together[["b", "n"]].rename(columns={"b": "name"})])
    names = sorted(ends.groupby("name")["n"].sum().sort_values(ascending=False, kind="stable").index[:at_most])
    turned = together.rename(columns={"a": "b", "b": "a"})
    both = pd.concat([together, turned])
    return both.pivot(index="a", columns="b", values="percent").reindex(index=names, columns=names)


def contested(divided: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of `agreement.contested` in words, with the prompt; `pair_id` stays as the index."""
    with_prompt = divided.merge(pairs[["pair_id", "prompt"]], on="pair_id", how="left")
    return pd.DataFrame(
        {
            "prompt": with_prompt["prompt"],
            "votes": with_prompt["n_votes"],
            "two votes alike (%)": (100 * with_prompt["agreement_share"]).round(0),
        }
        | {CHOICES[choice]: with_prompt[choice] for choice in ("first", "second", "tie", "both_bad")}
    ).set_index(with_prompt["pair_id"].to_numpy())


def outcomes(curation: Curation) -> pd.DataFrame:
    """Return where the pairs went, for `charts.reasons`: columns `reason` (empty for kept), `label, pairs, kept`."""
    counted = curation.excluded["reason"].value_counts()
    rows = [("", "preferences", len(curation.preferences), True)]
    rows += [(reason, words, int(counted[reason]), False) for reason, words in REASONS.items() if reason in counted.index]
    return pd.DataFrame(rows, columns=["reason", "label", "pairs", "kept"])


def excluded(curation: Curation, reason: str) -> pd.DataFrame:
    """Return the pairs left out under one reason in words; `pair_id` stays as the index."""
    rows = curation.excluded[curation.excluded["reason"] == reason]
    return pd.DataFrame(
        {"prompt": rows["prompt"].to_numpy(), "detail": rows["detail"].to_numpy()}, index=rows["pair_id"].to_numpy()
    )


def preferences(kept: pd.DataFrame) -> pd.DataFrame:
    """Return preferences in words; `pair_id` stays as the index."""
    return pd.DataFrame(
        {
            "prompt": kept["prompt"],
            "chosen": kept["chosen"],
            "rejected": kept["rejected"],
            "chosen comes from": kept["chosen_source"],
            "rejected comes from": kept["rejected_source"],
            "votes": kept["n_votes"],
            "support (%)": (100 * kept["support"]).round(0),
        }
    ).set_index(kept["pair_id"].to_numpy())
