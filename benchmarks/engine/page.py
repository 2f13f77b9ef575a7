"""What the result of the engine benchmark says: goals, tables, profile. Runs nothing.

Imports `skxssr.report` for tables and peers.py for names.
"""

import math
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from benchmarks.engine.peers import ALONE, LOOP
from skxssr.report import format_table

Verdict = tuple[str, bool | None]  # measured, and whether the goal is reached; None: cannot say
# stages that are no dense arithmetic over rows
SERIAL = {"preprocess", "picks", "walks", "full scan"}
NO_PEER = "no peer is installed"
HEADER = """\
Written by `python benchmarks/engine/main.py --page` from `benchmarks/results/engine.json`;
`python benchmarks/engine/main.py` runs it all, and makes the peers' environment with
`--install-peers` first.

Contestants of a race run in turn, each in a process of its own, all with the same number of
threads. Figures are medians of the counted calls; the first call is not counted. A peer whose
first call took more than three times that of the fastest is timed once. A call is all that a user
with a float32 array pays, checks and copies included; of lightly-mundig, which copies its rows
first, the selection alone is given too. "As oracle" is how many picks, from the first
on, are those of a full scan of exact differences in float64. Memory is resident memory without the
pages of the data file: "added" since before the first call, and "in all". "Evaluated" is the share
of all row-by-pick pairs (row-by-pick-by-alpha for XSSR) for which a distance (a density) was
computed. "Threads" are those of the process; a library may use fewer.

"XSSR" on this page is `make_variant("residual")`, the form of `XSSRSelector` with a residual
density and the distance to the nearest pick, for which the goals were set; it was the default when
most figures were measured. "XSSR, default" and "default XSSRSelector" are the default since then,
the most typical row of each of as many clusters as picks, which has another engine; where a row
does not name it, it was not measured."""


def _races(case: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    for threads, results in case["races"].items():
        yield threads, {name: found for name, found in results.items() if found.get("seconds")}


def _seconds(found: dict[str, Any]) -> float:
    return median(found["seconds"])


def _fastest_peer(race: dict[str, Any]) -> tuple[str, float] | None:
    peers = [(_seconds(found), name) for name, found in race.items() if found["peer"]]
    return (min(peers)[1], min(peers)[0]) if peers else None


def _alone(peer: dict[str, Any]) -> float | None:
    """Seconds of a peer without handing its rows over, if it says."""
    stages = peer["elapsed"]
    return median(of[ALONE] for of in stages) if ALONE in stages[0] else None


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    """One line of several: reached if all are."""
    texts, reached = zip(*verdicts, strict=True)
    answer = None if None in reached and False not in reached else all(reached)
    return "; ".join(texts), answer


def _of_threads(threads: str) -> str:
    return f"{threads} thread{'s' if threads != '1' else ''}"


def _times_peer(least: float) -> Callable[[dict[str, Any]], Verdict]:
    def judge(case: dict[str, Any]) -> Verdict:
        verdicts: list[Verdict] = []
        for threads, race in _races(case):
            if peer := _fastest_peer(race):
                ratio = peer[1] / _seconds(race["CoreSet"])
                exact = race["CoreSet"]["as_oracle"] == case["size"]["budget"]
                text = f"{ratio:.1f}x {peer[0]}"
                if alone := _alone(race[peer[0]]):
                    text += f" ({alone / _seconds(race['CoreSet']):.1f}x its selection alone)"
                text += f", {_of_threads(threads)}"
                verdicts.append(
                    (text + ("" if exact else ", other picks"), ratio >= least and exact)
                )
            else:
                verdicts.append((NO_PEER, None))
        return _all(verdicts)

    return judge


def _against_loop(least: float) -> Callable[[dict[str, Any]], Verdict]:
    def judge(case: dict[str, Any]) -> Verdict:
        ratios = [
            (threads, _seconds(race[LOOP]) / _seconds(race["CoreSet"]))
            for threads, race in _races(case)
        ]
        return _all((f"{r:.2f}x, {_of_threads(t)}", r >= least) for t, r in ratios)

    return judge


def _xssr(case: dict[str, Any]) -> Verdict:
    verdicts: list[Verdict] = []
    for threads, race in _races(case):
        ours, peer = race["XSSR, 11 alphas"], _fastest_peer(race)
        if peer is None:
            return NO_PEER, None
        whole = _seconds(ours) / peer[1]
        verdicts.append((f"{whole:.2f}x {peer[0]}, {_of_threads(threads)}", whole <= 2))
        passes = [stages.get("novelty") for stages in ours["elapsed"]]
        if None in passes:
            verdicts.append(("its distance pass is no stage of the record", None))
        else:
            rest = (_seconds(ours) - median(passes)) / peer[1]
            verdicts.append((f"{rest:.2f}x without its distance pass", rest <= 1))
    if not case["as_full_scan"]:
        verdicts.append(("other picks than the full scan", False))
    return _all(verdicts)


def _default(case: dict[str, Any]) -> Verdict:
    verdicts: list[Verdict] = []
    for threads, race in _races(case):
        peer = _fastest_peer(race)
        if "XSSR, default" not in race:
            return "not measured", None
        if peer is None:
            return NO_PEER, None
        whole = _seconds(race["XSSR, default"]) / peer[1]
        verdicts.append((f"{whole:.2f}x {peer[0]}, {_of_threads(threads)}", whole <= 2))
    return _all(verdicts)


def _calibration(case: dict[str, Any]) -> Verdict:
    verdicts = []
    for threads, race in _races(case):
        ratio = _seconds(race["XSSR, 11 alphas"]) / _seconds(race["XSSR, one alpha"])
        verdicts.append((f"{ratio:.2f}x, {_of_threads(threads)}", ratio <= 3))
    return _all(verdicts)


def _in_all(found: dict[str, Any]) -> float | None:
    memory = found["memory"]
    return None if memory["peak"] is None else (memory["peak"] + memory["code"]) / 1e9


def _sizes(case: dict[str, Any], selector: str) -> list[dict[str, Any]]:
    (_, race), *_ = _races(case)
    return [race[f"{selector}, {case['size'][n]:,} rows"] for n in ("n", "larger")]


def _million(case: dict[str, Any]) -> Verdict:
    large = _sizes(case, "XSSR")[1]
    minutes, memory = _seconds(large) / 60, _in_all(large)
    known = "memory not measured" if memory is None else f"{memory:.2f} GB"
    reached = None if memory is None else minutes < 10 and memory < 2.5
    return f"{minutes:.1f} minutes, {known}, {_of_threads(str(large['threads']))}", reached


def _growth(case: dict[str, Any]) -> Verdict:
    verdicts = []
    for selector in ("XSSR", "CoreSet"):
        small, large = _sizes(case, selector)
        more = case["size"]["larger"] / case["size"]["n"]
        exponent = math.log(_seconds(large) / _seconds(small)) / math.log(more)
        text = f"{selector} {exponent:.2f}"
        if (memory := _in_all(large)) is not None:
            text += f", from {_in_all(small):.2f} to {memory:.2f} GB"
        verdicts.append((text, exponent <= 1.1))
    return _all(verdicts)


def _demands(case: dict[str, Any]) -> Verdict:
    (_, race), *_ = _races(case)
    verdicts = []
    for selector in ("CoreSet", "XSSR"):
        plain, labeled, groups, one_pass = (
            _seconds(race[f"{selector}, {name}"])
            for name in ("plain", "labeled", "groups", "neighbour pass")
        )
        rest = (labeled - one_pass) / plain
        text = f"labeled {rest:.2f}x beside the pass" if rest > 0 else "labeled within the pass"
        verdicts.append((f"{selector} {text}", rest <= 1.3))
        verdicts.append((f"groups {groups / plain:.2f}x", groups <= 1.3 * plain))
    wrong = [
        name
        for name, found in race.items()
        if found.get("as_oracle", case["size"]["budget"]) < case["size"]["budget"]
    ]
    return _all([*verdicts, *((f"other picks: {name}", False) for name in wrong)])


def _dense(found: dict[str, Any]) -> float:
    return median(
        sum(seconds for stage, seconds in stages.items() if stage not in SERIAL)
        for stages in found["elapsed"]
    )


def _threads(case: dict[str, Any]) -> Verdict:
    (_, race), *_ = _races(case)
    one, two = (race[f"CoreSet, isotropic, {n}"] for n in (1, 2))
    dense, whole = _dense(one) / _dense(two), _seconds(one) / _seconds(two)
    x_one, x_two = (race[f"XSSR, medium, {n}"] for n in (1, 2))
    x_dense, x_whole = _dense(x_one) / _dense(x_two), _seconds(x_one) / _seconds(x_two)
    same = all(case["same_picks"].values())
    return _all(
        [
            (f"CoreSet on isotropic rows {dense:.2f}x (whole {whole:.2f}x)", dense >= 1.6),
            (f"XSSR {x_dense:.2f}x (whole {x_whole:.2f}x)", x_dense >= 1.6),
            ("same picks" if same else "other picks", same),
        ]
    )


def _import(case: dict[str, Any]) -> Verdict:
    clean = not case["numba_loaded"] and not case["compiled"]
    ms = 1000 * median(case["import"])
    verdicts = [
        (f"{ms:.0f} ms, {'nothing' if clean else 'something'} compiled", ms <= 30 and clean)
    ]
    for name, calls in case["first_call"].items():
        cold, cached = median(calls["cold"]), median(calls["cached"])
        share, n = median(calls["compiling"]) / cold, median(calls["functions"])
        text = f"{name} {cold:.1f} s cold ({share:.0%} compiling {n:.0f} functions), "
        text += f"{cached:.2f} s cached"
        if "cold_cpu" in calls:
            cold_cpu, cached_cpu = median(calls["cold_cpu"]), median(calls["cached_cpu"])
            text += f" (of the processor {cold_cpu:.1f} s and {cached_cpu:.2f} s)"
        verdicts.append((text, cold < 4 and cached < 0.3))
    return _all(verdicts)


def _gpu(case: dict[str, Any]) -> Verdict:
    if "left_out" in case:
        return f"left out: {case['left_out']}", None
    (_, race), *_ = _races(case)
    copy, ours, xssr = race["copy"], race["CoreSet"], race["XSSR"]
    speed = copy["bytes"] / _seconds(copy)
    minutes = _seconds(xssr) / 60
    verdicts: list[Verdict] = [(f"XSSR {minutes:.1f} minutes on {case['device']}", minutes < 5)]
    pairs = ours["notes"].get("n_distance_evaluations")
    if pairs is None:
        return _all([("passes of CoreSet are not in its record", None), *verdicts])
    ratio = _seconds(ours) / (4 * pairs * case["d"] / speed)  # the device holds float32
    return _all([(f"CoreSet {ratio:.2f}x the bound", ratio <= 2), *verdicts])


# title, case, goal, judge: the rows of the table of goals
GOALS: list[tuple[str, str, str, Callable[[dict[str, Any]], Verdict]]] = [
    ("CoreSet, medium", "coreset-medium", "at least 15x the fastest peer", _times_peer(15)),
    ("CoreSet, medium", "coreset-medium", "at least 6x the NumPy loop", _against_loop(6)),
    ("CoreSet, tight", "coreset-tight", "at least 20x the fastest peer", _times_peer(20)),
    (
        "CoreSet, isotropic",
        "coreset-isotropic",
        "no slower than 1.1x the NumPy loop (0.91x its speed)",
        _against_loop(1 / 1.1),
    ),
    (
        "XSSR, 11 alphas",
        "xssr",
        "at most 2x plain k-center of the fastest peer, 1x without the distance pass",
        _xssr,
    ),
    ("XSSR, default", "xssr", "at most 2x plain k-center of the fastest peer", _default),
    ("Calibration", "xssr", "11 alphas at most 3x one", _calibration),
    ("XSSR, memory-mapped", "growth", "under 10 minutes and 2.5 GB", _million),
    ("Growth", "growth", "time exponent at most 1.1", _growth),
    (
        "Labelled rows and groups",
        "demands",
        "at most 1.3x the plain run, beside one exact neighbour pass for the labels",
        _demands,
    ),
    ("Threads", "threads", "2 at least 1.6x 1 on the dense parts, same picks", _threads),
    (
        "Import and first call",
        "import",
        "30 ms above numpy, nothing compiled; 4 s cold, 0.3 s cached",
        _import,
    ),
    ("GPU", "gpu", "CoreSet within 2x of the memory bound; XSSR under 5 minutes", _gpu),
]


def goals(cases: dict[str, Any]) -> str:
    """The table of goals, for whatever has been run."""
    rows = []
    for title, name, goal, judge in GOALS:
        measured, reached = judge(cases[name]) if name in cases else ("not run", None)
        answer = {True: "yes", False: "no", None: "-"}[reached]
        rows.append({"case": title, "goal": goal, "measured": measured, "reached": answer})
    return format_table(rows)


def race_table(results: dict[str, Any]) -> str:
    """One line a contestant, the first of them the unit."""
    unit = next((_seconds(found) for found in results.values() if found.get("seconds")), 1.0)
    rows = []
    for name, found in results.items():
        row = dict.fromkeys(("", "threads", "calls", "median s", "range", "ratio"), "-")
        row |= dict.fromkeys(("as oracle", "added MB", "in all MB", "evaluated"), "-")
        row |= {"": name, "threads": str(found["threads"])}
        if "missing" in found:
            row["median s"] = "not installed"
        else:
            row |= _figures(found, unit)
        rows.append(row)
    return format_table(rows)


def _figures(found: dict[str, Any], unit: float) -> dict[str, str]:
    seconds, memory, notes = found["seconds"], found["memory"], found.get("notes", {})
    row = {
        "calls": str(len(seconds)),
        "median s": f"{_seconds(found):.3f}",
        "range": f"{min(seconds):.3f} to {max(seconds):.3f}",
        "ratio": f"{_seconds(found) / unit:.2f}",
    }
    if "as_oracle" in found:
        row["as oracle"] = f"{found['as_oracle']} ({found['shared_with_oracle']} in all)"
    if memory["peak"] is not None:
        row["added MB"] = f"{(memory['peak'] - memory['before']) / 1e6:.0f}"
        row["in all MB"] = f"{(memory['peak'] + memory['code']) / 1e6:.0f}"
    if "n_distance_evaluations" in notes:
        row["evaluated"] = f"{notes['n_distance_evaluations'] / found['pairs']:.1%}"
    elif "n_density_evaluations" in notes:
        row["evaluated"] = (
            f"{notes['n_density_evaluations'] / found['pairs'] / found['alphas']:.1%}"
        )
    return row


def profile(case: dict[str, Any]) -> str:
    """Seconds of each stage, at both sizes."""
    (_, race), *_ = _races(case)
    rows = []
    for name, found in race.items():
        for stage in found["elapsed"][0]:
            seconds = median(stages[stage] for stages in found["elapsed"])
            share = seconds / _seconds(found)
            rows.append(
                {"": name, "stage": stage, "seconds": f"{seconds:.3f}", "share": f"{share:.1%}"}
            )
    return format_table(rows)


def made_by(case: dict[str, Any]) -> str:
    """Which code ran where."""
    versions = {**case["versions"], **{f"{k} (peers)": v for k, v in case["peer_versions"].items()}}
    return (
        f"Commit {case['commit']}, {case['date']}, {case['machine']}; "
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}."
    )


def sizes(case: dict[str, Any]) -> str:
    size = case["size"]
    return (
        f"{size['n']:,} x {size['d']} rows ({size['larger']:,} in the larger pool), "
        f"{size['budget']:,} picks, source of {size['n_source']:,}, {size['n_groups']:,} groups, "
        f"{size['repeats']} counted calls."
    )


def page(cases: dict[str, Any]) -> str:
    """The whole page, in Markdown."""
    parts = ["# Results: speed of the selection engine", HEADER]
    parts += [*dict.fromkeys(map(sizes, cases.values())), "## Goals", goals(cases)]
    for name, case in cases.items():
        if "races" not in case:
            continue
        parts += [f"## {name}", f"Load of the machine before: {case['load']:.1f}."]
        for threads, results in case["races"].items():
            parts += [f"Threads: {threads}.", race_table(results)]
        if name == "growth":
            parts += ["Where the time goes:", profile(case)]
    parts += ["## Where and when"]
    made: dict[str, list[str]] = {}
    for name, case in cases.items():
        made.setdefault(made_by(case), []).append(name)
    parts += [f"{', '.join(names)}: {text}" for text, names in made.items()]
    return "\n\n".join(parts) + "\n"
