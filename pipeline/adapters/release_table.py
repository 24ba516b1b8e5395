"""Release table: the releases of a project, numbered as they were made, and where each was published. Rows are only added."""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa

from pipeline.adapters import schema
from pipeline.adapters.database import Database
from pipeline.errors import ExportError
from pipeline.records import Publication, Release


class ReleaseTable(Database):
    """Releases and publications in the studio's store."""

    def add_release(self, release: Release) -> Release:
        """Record a release under the next version, and return it so.

        The same release again is the one that is there, with its version, in the folder it was last written to.
        """
        table = schema.releases
        same = (table.c.project == release.project) & (table.c.name == release.name)
        newest = sa.select(sa.func.coalesce(sa.func.max(table.c.version), 0)).where(table.c.project == release.project)
        with self.writing() as connection:
            # Two exports at once must not get the same number.
            self.queue(connection, release.project)
            known = connection.execute(sa.select(table).where(same)).mappings().first()
            if known is not None:
                connection.execute(sa.update(table).where(same).values(directory=release.directory))
                return dataclasses.replace(Release(**known), directory=release.directory)
            stored = dataclasses.replace(release, version=int(connection.execute(newest).scalar_one()) + 1)
            connection.execute(sa.insert(table).values(dataclasses.asdict(stored)))
        return stored

    def releases(self, project: str) -> list[Release]:
        """Return the releases of a project, newest first."""
        query = sa.select(schema.releases).where(schema.releases.c.project == project)
        with self.reading() as connection:
            return [Release(**row) for row in connection.execute(query.order_by(schema.releases.c.version.desc())).mappings()]

    def release(self, project: str, name: str) -> Release:
        """Return the release that a name, a version such as v2, or `latest` means.

        Raises:
            ExportError: There is none; the releases there are, are offered.
        """
        releases = self.releases(project)
        for release in releases:
            if name in ("latest", release.name, release.label):
                return release
        offer = ", ".join(f"{release.label} ({release.name})" for release in releases[:5])
        raise ExportError(
            f"The project {project} has no release {name}." if releases else f"The project {project} has no release yet.",
            hint=f"Choose from: {offer}." if releases else "Write one on the Export page or with: python -m pipeline export.",
        )

    def add_publication(self, publication: Publication) -> None:
        """Record that a release went to the Hub."""
        with self.writing() as connection:
            connection.execute(sa.insert(schema.publications).values(dataclasses.asdict(publication)))

    def publications(self, project: str) -> list[Publication]:
        """Return where the releases of a project were published, newest first."""
        table = schema.publications
        columns = [column for column in table.c if column.name != "seq"]
        query = sa.select(*columns).where(table.c.project == project).order_by(table.c.seq.desc())
        with self.reading() as connection:
            return [Publication(**row) for row in connection.execute(query).mappings()]
