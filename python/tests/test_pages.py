"""The examples of the pages, run as a project that has them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def examples(page):
    """Each block in Python, with the environment file that stands above it."""
    blocks = re.findall(r"^```(toml|python)\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
    toml = None
    for language, text in blocks:
        if language == "toml":
            toml = text
        elif "def test_" in text:
            yield toml, text


EXAMPLES = [
    pytest.param(*example, id=f"{page}-{index}")
    for page in ("python/README.md", "docs/pytest.md")
    for index, example in enumerate(examples(page))
]


def test_there_are_examples():
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("toml, python", EXAMPLES)
def test_an_example_is_true(pytester, toml, python):
    (pytester.path / "standin.toml").write_text(toml)
    pytester.makepyfile(python)
    result = pytester.runpytest_subprocess("-W", "error")
    result.assert_outcomes(passed=python.count("def test_"))
