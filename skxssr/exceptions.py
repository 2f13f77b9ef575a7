"""The package's own warnings and errors."""

__all__ = [
    "DamagedFileError",
    "ImageReadError",
    "MissingExtraError",
    "SkxssrError",
    "SkxssrWarning",
]


class SkxssrWarning(UserWarning):
    """Something the user asked for could not be honoured, or the data make the answer arbitrary.

    Examples
    --------
    >>> import warnings
    >>> from skxssr import CoreSetSelector
    >>> from skxssr.exceptions import SkxssrWarning
    >>> with warnings.catch_warnings(record=True, category=SkxssrWarning) as caught:
    ...     warnings.simplefilter("always")
    ...     picked = CoreSetSelector().select([[1.0], [1.0], [1.0]], 1)
    >>> str(caught[0].message)
    'All 3 rows are equal after preprocessing, so any pick is as good as any other...'
    """


class SkxssrError(Exception):
    """The root of the package's own errors.

    Wrong arguments are plain `ValueError` and `TypeError`, as in scikit-learn.

    Examples
    --------
    >>> from skxssr.exceptions import ImageReadError, SkxssrError
    >>> issubclass(ImageReadError, SkxssrError)
    True
    """


class DamagedFileError(SkxssrError, ValueError):
    """A file that this package should have written is damaged, incomplete or somebody else's.

    The message names the file, what is wrong with it, and what to do.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skxssr import Selection
    >>> from skxssr.exceptions import DamagedFileError
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "why.json").write_text("{}")
    ...     _ = Path(folder, "why.npz").write_bytes(b"")
    ...     try:
    ...         Selection.load(Path(folder, "why"))
    ...     except DamagedFileError as error:
    ...         print(str(error).split("why.json ")[1])
    is not a selection that can be read: it does not say of which format it is...
    """


class ImageReadError(SkxssrError, ValueError):
    """A file is not an image that can be read: missing, truncated or of an unknown format.

    Examples
    --------
    >>> from skxssr.exceptions import ImageReadError
    >>> from skxssr.io import Images
    >>> try:
    ...     Images(["no such film.png"])[0]
    ... except ImageReadError as error:
    ...     print(error)
    cannot read image no such film.png: no such file
    """


class MissingExtraError(SkxssrError, ImportError):
    """An optional dependency is not installed; the message says which extra brings it.

    Examples
    --------
    >>> from skxssr.exceptions import MissingExtraError
    >>> issubclass(MissingExtraError, ImportError)  # `except ImportError` catches it too
    True
    """
