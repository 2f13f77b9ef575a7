"""Links between the files that GitHub shows lead to a file, and to a heading of it.

What links the built pages to one another is tested in test_pages.py.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/**/*.md", ".github/**/*.md")
    for path in ROOT.glob(pattern)
    if "_build" not in path.parts
)


def prose(path):
    """The text without its code, in which brackets mean other things."""
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "code", text)


def anchors(path):
    """The names GitHub gives to the headings of a Markdown file."""
    headings = re.findall(r"^#{1,6} (.+)$", path.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in headings}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_to_a_file(path):
    broken = []
    for url in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", url):
            continue
        file, _, anchor = url.partition("#")
        target = path.parent / file if file else path
        inside = target.resolve().is_relative_to(ROOT.resolve())
        if not (inside and target.exists()) or (anchor and anchor not in anchors(target)):
            broken.append(url)
    assert not broken


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_files_named_in_the_text_exist(name):
    text = (ROOT / name).read_text("utf-8")
    named = re.findall(r"`((?:docs|examples|benchmarks|tests|skxssr)/[\w./-]*)`", text)
    assert named
    for path in named:
        assert (ROOT / path).exists() or path.startswith("docs/_build"), path


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/**/*.rst")])
MADE = {"_build", "generated", "auto_examples"}


def test_benchmarks_named_on_any_page_exist():
    found = {
        (str(page.relative_to(ROOT)), path)
        for page in PAGES
        if not MADE & {*page.parts}
        for path in re.findall(r"benchmarks/[\w/]+\.py", page.read_text("utf-8"))
    }
    assert len(found) > 20
    assert not {(page, path) for page, path in found if not (ROOT / path).exists()}


def test_the_readme_links_to_what_it_speaks_of():
    links = set(re.findall(r"\]\(([^)\s]+)\)", (ROOT / "README.md").read_text("utf-8")))
    assert {"#does-it-pay", "docs/start.rst", "docs/choosing.rst", "LICENSE"} <= links
    assert len([url for url in links if url.endswith((".png", ".svg"))]) == 1
