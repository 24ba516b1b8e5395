"""Card evidence: what the numbers say of a release, in the words of its card: agreement, judges, fitness, how to train.

Reports come in; parts of a Markdown text go out, each number with its interval and n. Reads no files, writes none.
"""

import json
from collections.abc import Mapping, Sequence

from pipeline.health import Health, in_words, token_rows
from pipeline.markdown import inline, number, table
from pipeline.recipes import Recipe

RELIABLE, TENTATIVE = 0.8, 0.667
"""Krippendorff (2004), "Reliability in Content Analysis": what an alpha is good for."""
COEFFICIENTS = {
    "percent": "Same choice (share of annotator pairs)",
    "krippendorff_nominal": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
    "with_others": "Same as most of the others (share)",
    "fleiss": "Fleiss' kappa",
    "cohen_mean": "Cohen's kappa, mean over annotator pairs",
    "krippendorff_ordinal": "Krippendorff's alpha, ordinal",
    "gwet_ac2": "Gwet's AC2, ordinal",
}
INSIDE = ("percent", "krippendorff_nominal", "gwet_ac1")


def agreement(measured: Mapping[str, object], inside: Mapping[str, object]) -> list[str]:
    """Return the coefficients, of all votes and of those inside the release, and what they let one conclude."""
    coefficients = measured.get("coefficients")
    if not isinstance(coefficients, Mapping) or not coefficients:
        return ["## Agreement", "Agreement was not measured."]
    titles = ("Measure", "Value", "95%, other pairs", "95%, other annotators", "n", "Note")
    parts = [
        "## Agreement",
        table(titles, _coefficient_rows(coefficients, COEFFICIENTS)),
        "The first interval says how far the value would move with other pairs and the same people, the second with other"
        " people as well. Measured over all votes of the project, not only those inside this release. The share of equal"
        " choices looks high when one choice dominates, and alpha looks low then; read them together.",
        *_meaning(coefficients.get("krippendorff_nominal")),
    ]
    within = inside.get("coefficients")
    if isinstance(within, Mapping) and within:
        chosen = {name: COEFFICIENTS[name] for name in INSIDE}
        parts += [
            "On the pairs inside this release alone. Pairs without a clear choice stay out of it.",
            table(titles, _coefficient_rows(within, chosen)),
        ]
    return parts


def _coefficient_rows(coefficients: Mapping[str, object], titles: Mapping[str, str]) -> list[tuple[str, ...]]:
    return [
        (
            title,
            _figure(found.get("value")),
            _interval(found.get("low"), found.get("high")),
            _interval(found.get("wide_low"), found.get("wide_high")),
            number(int(found.get("n") or 0)),
            inline(str(found.get("why") or "")),
        )
        for name, title in titles.items()
        if isinstance(found := coefficients.get(name), Mapping)
    ]


def _meaning(alpha: object) -> list[str]:
    """What an alpha lets one conclude, by the bounds its author gives; told from the lower end of the interval."""
    if not isinstance(alpha, Mapping) or not isinstance(alpha.get("low"), int | float):
        return []
    low = float(alpha["low"])
    if low >= RELIABLE:
        says = f"at least {RELIABLE}: the choices can be relied on"
    elif low >= TENTATIVE:
        says = f"between {TENTATIVE} and {RELIABLE}: good for tentative conclusions"
    else:
        says = f"below {TENTATIVE}: single choices are uncertain, and many rows are matters of taste"
    return [
        f"Krippendorff asks for an alpha of {RELIABLE}, and of {TENTATIVE} for tentative conclusions. The lower end of the"
        f" interval ({low:.3f}) is {says}. Weight rows by `agreement`, or smooth their labels, where that matters."
    ]


def judges(found: Sequence[Mapping[str, object]], *, decided: int = 0) -> list[str]:
    """Return how models judged the pairs, and which of them judged their own family."""
    if not found:
        return []
    rows = [
        (
            inline(str(row["judge"])),
            str(row["pairs"]),
            _figure(row["flip_share"]),
            _interval(row["flip_low"], row["flip_high"]),
            inline(str(row["relatives"])) or "none",
        )
        for row in found
    ]
    related = [f"{inline(str(row['judge']))} judged {inline(str(row['relatives']))}" for row in found if row["relatives"]]
    warning = f"**Judges of the generators' own family: {'; '.join(related)}.** Models favour their own." if related else ""
    return [
        "## Opinions of models",
        table(("Judge", "Pairs, both orders", "Changed with the order", "95%", "Same family as"), rows),
        *([warning] if warning else []),
        "A judge that changes its mind with the order of the responses is counted as a tie. No opinion of a model is a vote, and"
        + (
            f" a judge alone decided {number(decided)} of the preferences."
            if decided
            else " none chose a response in this release."
        ),
    ]


def health(report: Health | None) -> list[str]:
    """Return whether the rows would teach what people prefer."""
    if report is None or not report.rows:
        return []
    rows = [tuple(map(inline, in_words(finding))) for finding in report.findings]
    sources = [tuple(map(inline, in_words(finding))) for finding in report.chosen_by_source]
    lengths = token_rows(report.tokens)
    concerns = "\n".join(f"- {inline(finding.label)}: {in_words(finding)[1]}. {finding.note}" for finding in report.concerns)
    nothing = f"Nothing stands out in {number(report.looked_at)} rows{'; so few tell little' if report.is_small else ''}."
    looked = "" if report.looked_at == report.rows else f" Measured on {number(report.looked_at)} of {number(report.rows)} rows."
    return [
        "## Is it fit to train on?",
        *([f"**Read before training:**\n\n{concerns}"] if concerns else [nothing]),
        table(("Measure", "Value", "95%", "n"), rows),
        f"Shares are of the rows, with Wilson's interval; means and ratios with Student's.{looked}",
        "### Whose answer was chosen, where it was shown",
        table(("Written by", "Chosen", "95%", "n"), sources),
        "### How long it is, in tokens",
        table(("Part", "Half of the rows up to", "Nine in ten", "99 in 100", "Longest", "n"), lengths),
        report.token_note,
    ]


def training(commands: Mapping[str, str], recipes: Sequence[Recipe], tried: Mapping[str, object]) -> list[str]:
    """Return how to train on the release, why so, and what came of trying it."""
    if not commands:
        return []
    parts = [
        "## How to train",
        "In the folder of this release (`hf download OWNER/NAME --repo-type dataset --local-dir FOLDER` brings it from the Hub):",
        "```sh\n" + "\n".join(commands.values()) + "\n```",
    ]
    reasons = [
        (str(recipe.kind), f"`{name}`", inline(json.dumps(value)), inline(why))
        for recipe in recipes
        for name, value, why in recipe.reasoned
    ]
    if reasons:
        parts += [
            "The files in `recipes/` settle what the data speaks for; all else is the trainer's own default.",
            table(("Configuration", "Option", "Value", "Why"), reasons),
        ]
    return [*parts, *_tried(tried)]


def _tried(tried: Mapping[str, object]) -> list[str]:
    trainers, versions = tried.get("trainers"), tried.get("versions")
    if not isinstance(trainers, Mapping) or not isinstance(versions, Mapping):
        return []
    rows = [(str(kind), number(one["rows"]), number(one["steps"]), *_ends(one["losses"])) for kind, one in trainers.items()]
    under = ", ".join(f"{inline(str(name))} {inline(str(version))}" for name, version in versions.items())
    return [
        f"**Tried** before it was written, with a tiny model of random weights, under {under}. It shows that the files train, and"
        " not what they teach.",
        table(("Recipe", "Rows", "Steps", "Loss at the first step", "At the last"), rows),
    ]


def _ends(losses: Sequence[float]) -> tuple[str, str]:
    return _figure(losses[0]), _figure(losses[-1])


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "not defined"


def _interval(low: object, high: object) -> str:
    return "none" if low is None or high is None else f"{_figure(low)} to {_figure(high)}"
