"""Does choosing beat chance? Paired comparisons of selectors."""

from skxssr.evaluation._analysis.aggregate import pool_over
from skxssr.evaluation._runs.task import Pool, Task, fold_pools, random_pools
from skxssr.evaluation.compare import Comparison, compare_selectors, load_comparison
from skxssr.evaluation.figures import plot_forest, plot_label_efficiency
from skxssr.evaluation.judged import judge_selectors
from skxssr.evaluation.pool_outlook import Outlook, outlook
from skxssr.evaluation.predictors import (
    label_free_quantities,
    proxy_agreement,
    rank_correlations,
)
from skxssr.evaluation.ridge_judge import RidgeJudge
from skxssr.evaluation.scores import Scores, score_images, subgroup_table
from skxssr.evaluation.summary import Summary, summarize

__all__ = [
    "Comparison",
    "Outlook",
    "Pool",
    "RidgeJudge",
    "Scores",
    "Summary",
    "Task",
    "compare_selectors",
    "fold_pools",
    "judge_selectors",
    "label_free_quantities",
    "load_comparison",
    "outlook",
    "plot_forest",
    "plot_label_efficiency",
    "pool_over",
    "proxy_agreement",
    "random_pools",
    "rank_correlations",
    "score_images",
    "subgroup_table",
    "summarize",
]
