"""The package's own warnings and errors. Imports nothing."""

__all__ = ["ImageReadError", "MissingExtraError", "SkxssrWarning"]


class SkxssrWarning(UserWarning):
    """Something the user asked for could not be honoured, or the data make the answer arbitrary."""


class ImageReadError(ValueError):
    """A file is not an image that can be read: missing, truncated or of an unknown format."""


class MissingExtraError(ImportError):
    """An optional dependency is not installed; the message says which extra brings it."""
