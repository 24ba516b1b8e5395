"""Card head: what the Hub reads of a dataset card, so that the dataset is found and loads as it should.

Facts come in; the YAML of the head goes out. Language codes are ISO 639-1 where one exists, else 639-3: the Hub and the map of
languages know no others.
"""

from collections.abc import Mapping, Sequence

import yaml

from pipeline import languages
from pipeline.licences import AYA, SAMPLE
from pipeline.records import Project

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SIZE_NAMES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M")


def head(
    project: Project,
    *,
    splits: Mapping[str, Mapping[str, int]],
    licence: str,
    trained: Sequence[str],
    has_models: bool,
    has_judges: bool,
    tools: Sequence[str] = (),
) -> str:
    """Return the YAML between the lines of hyphens.

    Args:
        project: Names the dataset, its language and its source.
        splits: Rows by configuration and split; the first configuration is the one that loads by itself.
        licence: As the Hub names it.
        trained: The configurations a trainer takes.
        has_models: Whether models wrote some of the responses.
        has_judges: Whether a judge decided some of the preferences.
        tools: Programs that made parts of it, as tags.
    """
    spoken = languages.language_named(project.language, project.code)
    origin = {AYA: ["aya"], SAMPLE: ["demonstration"]}.get(project.source, [])
    rows = sum(splits.get("dpo", next(iter(splits.values()), {})).values())
    values = {
        # One line: a line of hyphens inside the name would end the head for simple readers.
        "pretty_name": " ".join(project.name.split()),
        "language": [spoken.iso639_1 or spoken.code],
        "license": licence,
        "multilinguality": ["monolingual"],
        "task_categories": ["text-generation"],
        "annotations_creators": ["crowdsourced", *(["machine-generated"] if has_judges else [])],
        "language_creators": [
            "crowdsourced" if project.source == AYA else "found",
            *(["machine-generated"] if has_models else []),
        ],
        "source_datasets": ["CohereForAI/aya_dataset"] if project.source == AYA else ["original"],
        "tags": [*trained, "preference", "human-feedback", "trl", *tools, *origin],
        "size_categories": [SIZE_NAMES[sum(rows >= size for size in SIZES)]],
        "configs": [
            {"config_name": kind}
            | ({"default": True} if kind == next(iter(splits)) else {})
            | {"data_files": [{"split": split, "path": f"{kind}/{split}.parquet"} for split in parts]}
            for kind, parts in splits.items()
        ],
    }
    text: str = yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
    return text
