"""How many pictures of published collections are called junk: each of them is a false alarm.

    python benchmarks/folders/main.py junk_rate --data DIR
    python benchmarks/folders/main.py junk_rate --data DIR --sheet junk.png  # a picture

Every folder below `--data` that holds a folder `images` is a site, and is looked through as it
lies, with its masks; so is every folder right below `--data`, with all its sites at once. Somebody
found each picture worth a mask, so that none should be called junk, but for copies, pixel for
pixel, which are counted apart. The second half measures the opposite: built-in phantoms, of which
some are spoilt on purpose, and the record says which.
"""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from skxssr.datasets import make_phantoms
from skxssr.io import Images, Inventory, take_inventory
from skxssr.io.junk import COPY, near_copies
from skxssr.report import format_table

SEEDS, PER_SEED = range(4), 120
SPOILT = ("dark", "inverted", "blank")


def main() -> None:
    """Look through all folders and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="collections, a folder each")
    parser.add_argument("--sheet", type=Path, help="PNG of what was called junk")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    collections = sorted(path for path in args.data.iterdir() if path.is_dir())
    if not collections:
        parser.error(f"{args.data} holds no folder")
    sites = sorted({path.parent for path in args.data.rglob("images") if path.is_dir()})
    found = {"site by site": sites, "collections as they lie": collections}
    record = {name: of_real(folders, args.data) for name, folders in found.items()}
    for name, told in record.items():
        print(f"\n{name}\n\n{format_table(told['rows'])}")
        for line in told["alarms"]:
            print(f"  {line}")
        print(f"{told['n_alarms']} of {told['n']} pictures: {told['rate']:.2%}")
    record["phantoms"] = of_phantoms()
    print(
        "\nphantoms: {spoilt} spoilt of {n}, {found} found, {alarms} others".format_map(
            record["phantoms"]
        )
    )
    if args.sheet is not None:
        draw(args.sheet, sites)
    if args.json is not None:
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def alarms_of(inventory: Inventory) -> dict[Path, str]:
    """What is called junk and is no copy."""
    return {path: why for path, why in inventory.junk.items() if not why.startswith(COPY)}


def of_real(folders: list[Path], data: Path) -> dict:
    """Pictures, masks, false alarms, copies and near copies of each folder."""
    rows, named = [], []
    n = n_alarms = 0
    for folder in folders:
        inventory = take_inventory(folder)
        alarms = alarms_of(inventory)
        known = {path: what for path, what in inventory.facts.items() if path not in alarms}
        n, n_alarms = n + len(inventory.images), n_alarms + len(alarms)
        named += [f"{path.relative_to(data)}: {why}" for path, why in alarms.items()]
        rows.append(
            {
                "folder": folder.relative_to(data).as_posix(),
                "pictures": str(len(inventory.images)),
                "masks told": str(len(inventory.masks)),
                "false alarms": str(len(alarms)),
                "copies": str(len(inventory.junk) - len(alarms)),
                "in near copies": str(sum(map(len, near_copies(known)))),
            }
        )
    return {"rows": rows, "alarms": named, "n": n, "n_alarms": n_alarms, "rate": n_alarms / n}


def of_phantoms() -> dict[str, int]:
    """Films of which some are dark, inverted or blank; the record of the phantoms says which."""
    counts: Counter[str] = Counter()
    for site in "AB":
        for seed in SEEDS:
            films = make_phantoms("chest", site, PER_SEED, random_state=seed, image_size=96)
            with tempfile.TemporaryDirectory() as name:
                for film, pixels in zip(films.ids, films.images, strict=True):
                    Image.fromarray(pixels).save(Path(name, f"{film}.png"))
                junk = {path.stem for path in alarms_of(take_inventory(name))}
            modes = dict(zip(films.ids, films.modes, strict=True))
            spoilt = {film for film, mode in modes.items() if mode in SPOILT}
            counts["n"] += len(films.ids)
            counts["spoilt"] += len(spoilt)
            counts["found"] += len(spoilt & junk)
            counts["alarms"] += len(junk - spoilt)
    return dict(counts)


def draw(path: Path, sites: list[Path], side: int = 128) -> None:
    """Each picture that was called junk, below it two of its folder that were not."""
    columns = []
    for folder in sites:
        inventory = take_inventory(folder)
        alarms = alarms_of(inventory)
        usual = [p for p in inventory.images if p not in inventory.junk][:2]
        columns += [[odd, *usual] for odd in alarms]
    sheet = Image.new("RGB", (max(1, len(columns)) * side, 3 * side + 12))
    for x, column in enumerate(columns):
        for y, name in enumerate(column):
            pixels = np.uint8(255 * Images([name])[0])
            tile = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
            sheet.paste(tile.convert("RGB").resize((side, side)), (x * side, y * side))
        where = column[0].parent.parent.name[:20]
        ImageDraw.Draw(sheet).text((x * side + 2, 3 * side), where, fill="white")
    sheet.save(path)
