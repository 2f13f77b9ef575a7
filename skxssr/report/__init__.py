"""Tables and pictures of a selection and of what networks make of it."""

from skxssr.report.figures import contact_sheet, plot_picks
from skxssr.report.sheets import error_sheet
from skxssr.report.tables import format_table

__all__ = ["contact_sheet", "error_sheet", "format_table", "plot_picks"]
