"""Does choosing beat chance? Paired comparisons of selectors. Imports `pipeline` and below."""

from skxssr.evaluation.compare import Comparison, compare_selectors, load_comparison
from skxssr.evaluation.figures import plot_forest, plot_label_efficiency
from skxssr.evaluation.pooling import pool_over
from skxssr.evaluation.predictors import (
    label_free_quantities,
    proxy_agreement,
    rank_correlations,
)
from skxssr.evaluation.scores import Scores, score_images, subgroup_table
from skxssr.evaluation.summary import Summary, summarize
from skxssr.evaluation.task import Pool, Task, fold_pools, random_pools
from skxssr.evaluation.verdict import Verdict, label_free_verdict, verdict_errors

__all__ = [
    "Comparison",
    "Pool",
    "Scores",
    "Summary",
    "Task",
    "Verdict",
    "compare_selectors",
    "fold_pools",
    "label_free_quantities",
    "label_free_verdict",
    "load_comparison",
    "plot_forest",
    "plot_label_efficiency",
    "pool_over",
    "proxy_agreement",
    "random_pools",
    "rank_correlations",
    "score_images",
    "subgroup_table",
    "summarize",
    "verdict_errors",
]
