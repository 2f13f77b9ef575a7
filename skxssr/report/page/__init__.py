"""The report of a selection as one HTML page: what it shows, its plots, and how it is written."""

from skxssr.report.page.content import Card, Content, Counts, Coverage, Map, Picture
from skxssr.report.page.render import render_page
from skxssr.report.page.thumbnails import Thumbnails

__all__ = ["Card", "Content", "Counts", "Coverage", "Map", "Picture", "Thumbnails", "render_page"]
