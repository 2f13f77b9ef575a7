"""Does choosing beat chance? Paired comparisons of selectors. Imports `pipeline` and below."""

from skxssr.evaluation.figures import plot_forest, plot_label_efficiency
from skxssr.evaluation.pooling import pool_over
from skxssr.evaluation.summary import Summary, summarize

__all__ = ["Summary", "plot_forest", "plot_label_efficiency", "pool_over", "summarize"]
