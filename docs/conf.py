"""Configuration of Sphinx. The build needs no network: no intersphinx, no script from elsewhere."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

from gallery import ORDER  # noqa: E402

import skxssr  # noqa: E402

project = "skxssr"
author = "The skxssr developers"
copyright = author
version = release = skxssr.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "absent_libraries",
    "command_line",
    "markdown_pages",
    "math_ml",
    "results",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "py:obj"
rst_prolog = ".. currentmodule:: skxssr\n"  # so that `XSSRSelector` is a link on every page
toctree_object_entries = False

autosummary_generate = True
autosummary_ignore_module_all = False
# apart from `outlook` on file systems that ignore case
autosummary_filename_map = {"skxssr.evaluation.Outlook": "skxssr.evaluation.Outlook_class"}
# What scikit-learn and named tuples bring along: documented there, and of no news here.
autosummary_context = {
    "inherited": [
        "count",
        "fit_predict",
        "get_feature_names_out",
        "get_metadata_routing",
        "get_params",
        "index",
        "set_output",
        "set_params",
    ]
}
autodoc_typehints = "none"  # docstrings say types and shapes in words
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

extlinks = {
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
    "doi": ("https://doi.org/%s", "doi:%s"),
}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"skxssr {release}"
html_static_path = ["_static"]
html_css_files = ["skxssr.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
    "show_toc_level": 2,
    # examples need the room: their code is 100 columns wide
    "secondary_sidebar_items": {"**": ["page-toc"]}
    | {f"auto_examples/{Path(name).stem}": [] for name in ORDER},
}
html_sidebars: dict[str, list[str]] = {"start": []}  # a page with nothing below it

# The examples run while the pages are built, and one that fails or warns fails the build. Those
# that need a library from another environment are only shown: their names do not begin with plot_.
os.environ["OMP_NUM_THREADS"] = "1"  # two run at a time: with two threads each they would wait
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "gallery.place",
    "backreferences_dir": "reference/generated/examples",
    "doc_module": ("skxssr",),
    "reference_url": {"skxssr": None},  # names in the code are links to the reference
    "image_srcset": ["2x"],
    "default_thumb_file": str(HERE / "_static" / "shown.svg"),
    "reset_modules": ("matplotlib", "gallery.strict"),
    "capture_repr": (),
    "parallel": 2,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": float("inf"),  # pages say the same on every machine
}
