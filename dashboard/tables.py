"""Tables: a frame in, the frame a reader sees out: columns in words, rounded numbers. No Streamlit."""

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from pipeline.agreement import AgreementReport
from pipeline.curate import REASONS, Curation
from pipeline.languages import Totals, language_named
from pipeline.ports import AnnotatorProgress
from pipeline.resampling import Coefficient
from pipeline.selection import EXPLAINED, Reason, Selection

COEFFICIENTS: Mapping[str, str] = {
    "percent": "Same choice (raw agreement)",
    "krippendorff_nominal": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
    "with_others": "Same as most of the others",
    "cohen_mean": "Cohen's kappa, mean",
    "brennan_prediger": "Brennan and Prediger's kappa",
    "fleiss": "Fleiss' kappa",
    "krippendorff_ordinal": "Krippendorff's alpha, ordinal",
    "gwet_ac2": "Gwet's AC2, ordinal",
}
MATRIX_SIZE = 30
MIN_SHARED = 5
"""The map of annotators leaves out two who have fewer pairs in common."""
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


def spreadsheet(shown: pd.DataFrame) -> bytes:
    """Return a table as CSV that spreadsheet programs open: UTF-8 with its mark.

    A text that such a program would run as a formula gets an apostrophe in front; the export holds texts unchanged.
    """
    words = shown.select_dtypes(include=["object", "string", "category"]).columns
    safe = shown.assign(**{name: shown[name].map(_not_a_formula) for name in words})
    return safe.to_csv(index=False).encode("utf-8-sig")


def _not_a_formula(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def money(usd: float) -> str:
    """Return an amount in US dollars: cents from a dollar on, more digits below."""
    return f"${usd:,.2f}" if usd == 0 or usd >= 1 else f"${usd:.4f}"


def span(low: float | None, high: float | None) -> str:
    """Return a 95 % interval in words."""
    return "no interval" if low is None or high is None else f"{low:.2f} to {high:.2f} (95 %)"


def headline(name: str, found: Coefficient) -> tuple[str, str]:
    """Return a coefficient and how sure it is, in words; raw agreement in percent."""
    words = "{:.0%}" if name == "percent" else "{:.2f}"
    value = "–" if found.value is None else words.format(found.value)
    sure = [
        f"{who}: {words.format(low)} to {words.format(high)}."
        for who, low, high in (("Other pairs", found.low, found.high), ("Other people too", found.wide_low, found.wide_high))
        if low is not None and high is not None
    ]
    return value, " ".join([*sure, f"n = {found.n:,} pairs.", found.why]).strip()


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


def standing(annotators: Iterable[AnnotatorProgress]) -> pd.DataFrame:
    """Return one row per annotator of an Argilla dataset, most answers first."""
    rows = sorted(annotators, key=lambda one: (-one.submitted, one.annotator))
    return pd.DataFrame(
        {
            "annotator": [one.annotator for one in rows],
            "submitted": [one.submitted for one in rows],
            "drafts": [one.drafts for one in rows],
            "discarded": [one.discarded for one in rows],
            "waiting": [one.pending for one in rows],
        }
    )


def contested(queue: pd.DataFrame, pairs: pd.DataFrame, urls: Mapping[str, str]) -> pd.DataFrame:
    """Return the pairs of a review queue: where Argilla shows each, empty where it does not, its votes and its prompt."""
    prompts = pairs.set_index("pair_id")["prompt"].reindex(queue["pair_id"])
    return pd.DataFrame(
        {
            # First, for a phone shows no more than the first columns.
            "in Argilla": [urls.get(pair_id, "") for pair_id in queue["pair_id"]],
            "votes": queue["n_votes"].to_numpy(),
            "prompt": prompts.to_numpy(),
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


def choice_shares(report: AgreementReport) -> pd.DataFrame:
    """Return how often each offered choice was made, in words."""
    shares = pd.Series(report.label_shares)
    return pd.DataFrame(
        {"choice": [CHOICES[name] for name in shares.index], "of all votes (%)": (100 * shares.to_numpy()).round(1)}
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
            "Scott's pi": together["scott"].round(3),
        }
    )


def renamed(together: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the annotator pairs of an AgreementReport under other names."""
    return together.assign(**{end: together[end].map(lambda name: names.get(name, name)).astype(str) for end in ("a", "b")})


def annotator_matrix(together: pd.DataFrame, *, at_most: int = MATRIX_SIZE) -> pd.DataFrame:
    """Return annotator x annotator shares of the same choice, for the annotators with most pairs in common.

    `together`: columns `a, b, n, percent`. The diagonal is missing: nobody is compared with themselves.
    """
    ends = pd.concat([together[["a", "n"]].rename(columns={"a": "name"}), together[["b", "n"]].rename(columns={"b": "name"})])
    most = ends.groupby("name")["n"].sum().sort_values(ascending=False, kind="stable").index[:at_most]
    # `Person 2` comes before `Person 10`.
    names = sorted(most, key=lambda name: [(part.isdigit(), part.zfill(9)) for part in re.split(r"(\d+)", str(name))])
    turned = together.rename(columns={"a": "b", "b": "a"})
    both = pd.concat([together, turned])
    return both.pivot(index="a", columns="b", values="percent").reindex(index=names, columns=names)


METHODS: Mapping[str, str] = {
    "majority": "majority",
    "weighted": "weighted majority",
    "dawid-skene": "Dawid-Skene",
    "judge-assisted": "Dawid-Skene with judge",
    "adjudicator": "a reviewer",
    "judge": "a judge alone",
}


def flips(differing: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of `consensus.flips` in words, with the prompt; `pair_id` stays as the index."""
    with_prompt = differing.merge(pairs[["pair_id", "prompt"]], on="pair_id", how="left")
    said = {f"{METHODS[name]} says": with_prompt[name].map(CHOICES) for name in METHODS if name in with_prompt}
    return pd.DataFrame({"prompt": with_prompt["prompt"], "votes": with_prompt["n_votes"]} | said).set_index(
        with_prompt["pair_id"].to_numpy()
    )


def outcomes(curation: Curation) -> pd.DataFrame:
    """Return where the pairs went, for `charts.reasons`: columns `label, pairs, kept`."""
    rows = [("preferences", len(curation.preferences), True)]
    rows += [(REASONS[reason], n, False) for reason, n in reason_counts(curation).items()]
    return pd.DataFrame(rows, columns=["label", "pairs", "kept"])


def outcome_sentence(curation: Curation) -> str:
    """Say what the rules do with the pairs, and why most of the others are left out."""
    kept, left = len(curation.preferences), reason_counts(curation)
    if not left:
        return "Every pair goes into the dataset." if kept else "There is no pair yet."
    most = max(left, key=lambda reason: left[reason])
    out = f"{sum(left.values()):,} {'is' if sum(left.values()) == 1 else 'are'} left out"
    of_them = "" if len(left) == 1 else f", {left[most]:,} of them"
    return f"{out}{of_them} because: {REASONS[most]}. Each can be opened and brought back below."


def reason_counts(curation: Curation) -> dict[str, int]:
    """Return how many pairs are left out under each reason that occurs."""
    counted = curation.excluded["reason"].value_counts()
    return {reason: int(counted[reason]) for reason in REASONS if reason in counted.index}


def empty_texts(kept: pd.DataFrame) -> int:
    """Return how many preferences hold an empty text; the export leaves them out."""
    return int(((kept["chosen"].str.strip() == "") | (kept["rejected"].str.strip() == "")).sum())


def chosen_sources(curation: Curation) -> pd.DataFrame:
    """Return whose responses were chosen, most often first, in words."""
    counted = curation.preferences["chosen_source"].value_counts()
    share = 100 * counted / max(int(counted.sum()), 1)
    return pd.DataFrame({"written by": counted.index, "chosen": counted.to_numpy(), "of all (%)": share.round(1).to_numpy()})


def decided_by(curation: Curation) -> pd.DataFrame:
    """Return how the preferences were decided, most often first, in words."""
    counted = curation.preferences["method"].value_counts()
    return pd.DataFrame({"decided by": [METHODS[name] for name in counted.index], "preferences": counted.to_numpy()})


def excluded(rows: pd.DataFrame) -> pd.DataFrame:
    """Return pairs left out in words; `pair_id` stays as the index. `rows`: of `Curation.excluded`."""
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


DIRECTIONS: Mapping[str, str] = {"ltr": "left to right", "rtl": "right to left", "": "not known"}
HOW: Mapping[str, str] = {"exact": "published", "about": "about (read off a published plot)", "counted": "counted"}
UNNAMED = "(no language given)"


def languages(figures: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of languages in words, in its order; columns known for less than half of them are left out."""
    shown = pd.DataFrame(
        {
            "language": figures["language"].replace("", UNNAMED),
            "code": figures["code"],
            "rows": figures["rows"],
            "contributors": figures["contributors"],
            "original": figures["original"],
            "re-annotated": figures["re_annotated"],
            "prompt, mean length": figures["prompt_chars_mean"].round(0),
            "prompt, longest": figures["prompt_chars_max"],
            "answer, mean length": figures["answer_chars_mean"].round(0),
            "answer, longest": figures["answer_chars_max"],
            "script": figures["script"],
            "written": figures["direction"].map(DIRECTIONS),
            "resources elsewhere": figures["resource"],
            "rows are": figures["how"].map(HOW),
        }
    )
    return shown.dropna(axis="columns", thresh=(len(shown) + 1) // 2)


def search_languages(figures: pd.DataFrame, words: str) -> pd.DataFrame:
    """Return the languages whose name, other names, code or script hold all the words."""
    wanted = words.casefold().split()
    if not wanted:
        return figures
    texts = [
        " ".join([*map(str, row), *language_named(str(row[0])).also]).casefold()
        for row in figures[["language", "code", "script"]].itertuples(index=False, name=None)
    ]
    return figures[[all(word in text for word in wanted) for text in texts]]


def language_totals(figures: pd.DataFrame, published: Totals | None) -> dict[str, str]:
    """Return the totals in words; the published ones where they are given, for the frame's counts are partly estimates."""
    if published is not None:
        rows, original, again = published.rows, published.original, published.re_annotated
    else:
        rows, original, again = (int(figures[name].sum()) for name in ("rows", "original", "re_annotated"))
    totals = {"Languages": f"{len(figures):,}", "Rows": f"{rows:,}"}
    if original or again:
        totals |= {"Original": f"{original:,}", "Re-annotated": f"{again:,}"}
    return totals | {"Scripts": f"{figures['script'].replace('', pd.NA).nunique():,}"}


def language(figures: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return what is known of one language in words, in one row."""
    return languages(figures[figures["language"] == name])


def selected(selection: Selection) -> pd.DataFrame:
    """Return where the rows went, for `charts.reasons` and as a table: columns `label`, `rows`, `kept`."""
    rows = [("become prompts", len(selection.prompts), True)]
    rows += [(EXPLAINED[Reason(reason)], n, False) for reason, n in selection.counts().items()]
    return pd.DataFrame(rows, columns=["label", "rows", "kept"])


def not_selected(selection: Selection, reason: str) -> pd.DataFrame:
    """Return the rows left out under a reason, in words."""
    rows = [(each.text, each.detail) for each in selection.exclusions if each.reason == reason]
    return pd.DataFrame(rows, columns=["prompt", "detail"])


LEFT_OUT: Mapping[str, str] = {
    **EXPLAINED,
    "identical": "the model gave the very text of the human answer",
    "unknown_prompt": "an imported answer to a prompt that is not in this project",
    "empty": "an imported answer without text",
}
"""Why a row never came to a vote, in words."""


def exclusions(left_out: pd.DataFrame, reason: str) -> pd.DataFrame:
    """Return the rows left out under a reason, in words."""
    return left_out.loc[left_out["reason"] == reason, ["text", "detail"]]


def with_other_names(language: str) -> str:
    """Return a language's name with the other names people type: `Iranian Persian (Farsi, Persian)`."""
    other = language_named(language).also
    return f"{language} ({', '.join(other)})" if other else language


def examples(rows: pd.DataFrame, *, seed: int, n: int = 3) -> list[tuple[str, str]]:
    """Return prompts with their human answers, drawn with the seed."""
    drawn = rows.sample(n=min(n, len(rows)), random_state=seed)
    return list(drawn[["inputs", "targets"]].itertuples(index=False, name=None))
