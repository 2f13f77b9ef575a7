"""`skxssr select` on two folders of six small films."""

import json

MAE = ("--embedder", "mae", "--steps", "2")


def command(folders, *more):
    common = ["--source", folders / "A", "--target", folders / "B", "--out", folders / "out"]
    small = ["--image-size", "32", "--device", "cpu", "--quiet", "--no-report"]
    return ["select", *map(str, [*common, *small, *more])]


def record(folders):
    return json.loads((folders / "out" / "selection.json").read_text())
