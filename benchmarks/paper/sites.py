"""The per-site table of the XSSR paper: Dice at each target site beside its distance to the source.

    python benchmarks/paper/main.py sites --data DIR --task riga|prostate|lgg
        [--budget 5%] [--seeds 3] [--split dev|test] [--fast | --large] [--jobs 1]

The networks are those of main.py, which are trained here if they are not there. The gap
(`skxssr.metrics.domain_gap`) is measured without labels, in the mean over the autoencoders of all
seeds.
"""

from typing import Any

import numpy as np
from scipy.stats import pearsonr, spearmanr

from benchmarks.paper.main import FORMS, arms
from benchmarks.paper.tasks import (
    AFTER,
    BEFORE,
    Setting,
    compare,
    dice_of,
    embeddings,
    heading,
    parse_args,
    prepare,
    runs_of,
)
from skxssr.evaluation import Comparison
from skxssr.metrics import DomainGap, domain_gap
from skxssr.report import format_table

ARMS = (*BEFORE, *FORMS, *AFTER)


def site_dice(setting: Setting, comparison: Comparison, site: str, arm: str) -> float:
    """Mean Dice of an arm over the test units of a site."""
    sites = setting.site_of_unit()
    runs = runs_of(comparison, arm)
    inside = [sites[unit] == site for unit in runs[0]["units"]]
    return float(np.nanmean(dice_of(runs)[:, inside]))


def gaps(setting: Setting) -> dict[str, DomainGap]:
    """Gap of each target site, mean over seeds; all its images count, since no label is read."""
    groups = setting.task.groups
    found = {}
    for site in setting.pair.targets:
        inside = np.flatnonzero(setting.target.site == site)
        each = [
            domain_gap(
                source,
                target[inside],
                source_groups=setting.source.get("groups"),
                groups=None if groups is None else groups[inside],
            )
            for source, target in embeddings(setting)
        ]
        found[site] = DomainGap(*np.mean(each, axis=0).tolist())
    return found


def table(setting: Setting, comparison: Comparison) -> tuple[list[dict[str, str]], list[Any]]:
    """One line a site, and one an arm with the correlation of its Dice with the gap."""
    tested = list(setting.site_of_unit().values())
    apart = gaps(setting)
    dice = {arm: [site_dice(setting, comparison, site, arm) for site in apart] for arm in ARMS}
    lines = [
        {
            "site": site,
            "tested": str(tested.count(site)),
            "gap, AUC": f"{gap.auc:.3f}",
            "gap, energy": f"{gap.energy_share:.3f}",
            **{arm: f"{dice[arm][i]:.2f}" for arm in ARMS},
        }
        for i, (site, gap) in enumerate(apart.items())
    ]
    if len(apart) < 3:
        return lines, []
    energy = [gap.energy_share for gap in apart.values()]
    return lines, [
        {
            "Dice of": arm,
            "Pearson": f"{pearsonr(energy, dice[arm]).statistic:+.2f}",
            "Spearman": f"{spearmanr(energy, dice[arm]).statistic:+.2f}",
            "sites": str(len(apart)),
        }
        for arm in ARMS
    ]


def main() -> None:
    setting = prepare(parse_args(__doc__))
    comparison = compare(setting, arms())
    lines, correlations = table(setting, comparison)
    print(heading(setting, "By site"))
    print(format_table(lines))
    print(
        "\nGap to the source: area under the ROC curve of a classifier of sites (0.5: alike), and "
        "the energy\ndistance as a share of its largest value."
    )
    if correlations:
        print(f"\nCorrelation of Dice with the energy gap\n\n{format_table(correlations)}")
        print("\nOver so few sites a correlation is an observation, not evidence.")
