"""Errors: what went wrong, and what the reader can do about it.

PipelineError
├── SettingsError        a setting is missing or makes no sense
├── SignInError          the password is wrong, or was tried too often
├── SourceError          rows cannot be read, a column or a language is missing
├── ProjectError         no such project, or its name is taken
├── GenerationError      a run cannot start or must stop
│   └── EndpointError    the model's server is down, refuses the key, or does not know the model
├── VoteError            a vote or a file of votes cannot be accepted
│   └── StaleCardError   the card is no longer the one to vote on
├── ExportError          a release cannot be written
│   └── PublishError     a release cannot be sent to the Hub
├── JobError             a background job cannot be started or stopped
└── BackendError         the database or another server failed
    ├── UnstorableError  the database does not take these rows, however often they are sent
    ├── WorkspaceError   the workspace cannot be opened: newer, full, or not writable
    └── ArgillaError     the Argilla server is down, refuses the key, or does not hold what it should

Stages and adapters raise these; the command line and the pages show `message` and `hint`.
"""


class PipelineError(Exception):
    """An error a person can act on: `message` says what happened, `hint` what to do."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(PipelineError):
    """A setting is missing or makes no sense."""


class SignInError(PipelineError):
    """The password of the coordinator's pages is wrong, or was tried too often."""


class SourceError(PipelineError):
    """Rows cannot be read, or a column or a language is missing."""


class ProjectError(PipelineError):
    """There is no such project, or its name is taken."""


class GenerationError(PipelineError):
    """A generation run cannot start or must stop."""


class EndpointError(GenerationError):
    """The model's server is down, refuses the key, or does not know the model."""


class VoteError(PipelineError):
    """A vote, or a file of votes, cannot be accepted."""


class StaleCardError(VoteError):
    """The card is no longer the one to vote on: answered in another tab, or full."""


class ExportError(PipelineError):
    """A release cannot be written."""


class PublishError(ExportError):
    """A release cannot be sent to the Hub, or not yet."""


class JobError(PipelineError):
    """A background job cannot be started or stopped."""


class BackendError(PipelineError):
    """The database or another server failed."""


class UnstorableError(BackendError):
    """The database does not take these rows, however often they are sent."""


class WorkspaceError(BackendError):
    """The workspace cannot be opened: written by a newer version, full, or not writable."""


class ArgillaError(BackendError):
    """The Argilla server is down, refuses the key, or does not hold what it should."""
