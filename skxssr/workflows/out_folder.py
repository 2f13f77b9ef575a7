"""A folder for results that may hold some already: nothing is replaced unasked."""

from pathlib import Path

from skxssr._utils.files import read_json
from skxssr._utils.names import few, one_line
from skxssr.workflows.selection_folder import ARRAYS, LIST, RECORD

__all__ = ["check_out", "holds_selection"]

_OURS = (LIST, RECORD, ARRAYS)


def holds_selection(out: Path) -> bool:
    """Whether a selection was finished there."""
    return (out / RECORD).exists()


def check_out(out: Path, *, force: bool = False) -> None:
    """Refuse a folder with a selection, or parts of one, unless they are to be replaced.

    What a stopped run leaves is a training that is not finished; it goes on without being asked.

    Parameters
    ----------
    out : Path
        The folder for the results; it need not be there.
    force : bool, default=False
        Whether what is there is to be replaced.

    Raises
    ------
    FileExistsError
        It holds a selection; the message says which and what can be done.
    NotADirectoryError
        It is a file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from skxssr.workflows.out_folder import check_out
    >>> check_out(Path("nowhere"))
    """
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"--out {one_line(out)} is a file: name a folder for the results")
    there = [name for name in _OURS if (out / name).exists()]
    if force or not there:
        return
    record = read_json(out / RECORD)
    what, keep = few(there), ""
    if isinstance(record, dict) and isinstance(record.get("picked"), list):
        asked = record.get("command")
        what = f"a selection of {len(record['picked'])} images already"
        what += f" (asked for by: {one_line(asked)})" if asked else f" ({few(there)})"
        keep = ", --continue to keep it and write what is missing beside it"
    raise FileExistsError(
        f"--out {one_line(out)} holds {what}, and nothing is overwritten. Name another folder; or "
        f"give --force (force=True) to replace it{keep}. For the next batch, name another folder "
        f"and give --labeled {one_line(out)}"
    )
