"""Tables and pictures of a selection. Imports `_preprocess` and `io`; matplotlib when drawing."""

from skxssr.report.figures import contact_sheet, plot_picks
from skxssr.report.tables import format_table

__all__ = ["contact_sheet", "format_table", "plot_picks"]
