"""Results on disk, one line of JSON each, so that a run can be stopped. Imports nothing of ours."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Store"]


class Store:
    """An append-only file of lines; the first is the design, what follows is filed by key.

    A line that was cut off in the middle (the machine stopped) is dropped and written anew.

    Parameters
    ----------
    path : path or None
        None keeps the lines in memory only.
    design : mapping
        What must agree for lines to belong together.
    """

    def __init__(self, path: str | os.PathLike | None, design: Mapping[str, Any]) -> None:
        self.path = None if path is None else Path(path)
        self.lines: dict[str, dict[str, Any]] = {}
        design = self.design = json.loads(json.dumps(dict(design)))
        if self.path is not None and self.path.exists() and self.path.stat().st_size:
            found, whole = read_lines(self.path)
            if found:
                then = found[0].get("design", {})
                differing = [key for key in design if then.get(key) != design[key]]
                if differing:
                    raise ValueError(
                        f"{self.path} holds another comparison: it differs in "
                        f"{', '.join(differing)}. Give another file, or delete this one to start "
                        "anew."
                    )
                self.lines = {line["key"]: line for line in found[1:]}
                if not whole:
                    rest = [json.dumps(line) + "\n" for line in found]
                    self.path.write_text("".join(rest), encoding="utf-8")
                return
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps({"design": design}) + "\n", encoding="utf-8")

    def __contains__(self, key: str) -> bool:
        return key in self.lines

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self.lines[key]

    def note(self, line: Mapping[str, Any]) -> None:
        """File where the lines that follow come from, once for each session that differs."""
        number = sum(key.startswith("session/") for key in self.lines)
        known = [{**old, "key": None} for old in self.lines.values()]
        if {**line, "key": None} not in known:
            self.add(f"session/{number}", line)

    def keep(self, key: str, line: Mapping[str, Any]) -> None:
        """File a line unless it is there."""
        if key not in self.lines:
            self.add(key, line)

    def add(self, key: str, line: Mapping[str, Any]) -> None:
        """File a line, on disk before this returns."""
        self.lines[key] = {"key": key, **line}
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(self.lines[key]) + "\n")


def read_lines(path: Path) -> tuple[list[dict[str, Any]], bool]:
    """The lines of a file, and whether the last was whole."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            return lines, False
    return lines, True
