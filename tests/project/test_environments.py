"""The adapters that need an environment of their own, tested there: tests, doctests, example.

The servers of MONAI Label and Label Studio, and datumaro, are left to be asked for, since they are
large:
`python -m tests.environments monailabel-server -m pytest tests/integrations/test_monailabel.py`,
`python -m tests.environments label-studio -m pytest tests/integrations/test_label_studio.py`,
`python -m tests.environments datumaro -m pytest tests/integrations/test_datumaro.py`.
"""

import re

import pytest

from tests.environments import ROOT, run

# name of the environment -> its example, and what that prints if all went well
ADAPTERS = {
    "baal": ("baal_loop.py", r"ours( +0\.\d\d){5}"),
    "small-text": ("small_text_loop.py", r"ours( +0\.\d\d){5}"),
    "modal": ("modal_loop.py", r"XSSR throughout( +0\.\d\d){5}"),
    "monailabel": ("monailabel_strategy.py", r"4 of 60 are labelled"),
}


@pytest.mark.slow
def test_label_studio_takes_the_export():
    options = ("-q", "-p", "no:cacheprovider", "tests/integrations/test_label_studio.py")
    assert "1 passed, 1 skipped" in run("label-studio-sdk", "-m", "pytest", *options)


@pytest.mark.slow
@pytest.mark.parametrize("name", ADAPTERS)
def test_its_tests_pass_and_its_example_runs(name, tmp_path):
    module = name.replace("-", "_")
    files = (f"tests/integrations/test_{module}.py", f"skxssr/integrations/{module}.py")
    options = ("-q", "-p", "no:cacheprovider")
    last = run(name, "-m", "pytest", *options, *files).splitlines()[-1]
    passed = re.search(r"(\d+) passed", last)
    assert passed, last
    assert int(passed[1]) > 10
    skipped = re.search(r"(\d+) skipped", last)
    assert not skipped or (name, skipped[1]) == ("monailabel", "1"), last  # that of the server

    script, said = ADAPTERS[name]
    assert re.search(said, run(name, ROOT / "examples" / script, cwd=tmp_path))
    assert not list(tmp_path.iterdir())
