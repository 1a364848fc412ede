"""The examples of docs/extending.md, applied to a copy of the checkout: they are right as long as their tests pass."""

import re

import pytest

from tests.architecture.checkout import ROOT, Checkout

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", PAGE, re.DOTALL))
DIFFS = re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL)
PLUGINS = ("pytest_aiohttp.plugin", "proxy.testing.plugin")
TESTS = [path for path in FILES if path.startswith("tests/")]


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("extended"))
    for path, text in FILES.items():
        assert not (checkout.folder / path).exists(), f"{path} is no example any more"
        checkout.write(path, text)
    for diff in DIFFS:
        checkout.apply(diff)
    return checkout


def test_every_block_of_the_page_is_used() -> None:
    assert len(FILES) + len(DIFFS) == PAGE.count("```") / 2
    assert len(TESTS) == 3


def test_the_examples_work_and_the_architecture_agrees(extended: Checkout) -> None:
    """One run for all: to start is what costs."""
    done = extended.pytest(*TESTS, "tests/architecture/test_tables.py", plugins=PLUGINS)

    assert done.returncode == 0, done.stdout


def test_the_chart_of_the_example_is_sound(extended: Checkout) -> None:
    done = extended.python("-m", "statechart", "check")

    assert done.returncode == 0, done.stdout


def test_the_examples_keep_the_style(extended: Checkout) -> None:
    paths = [path for path in FILES if path.startswith("proxy/")]
    style = extended.python("-m", "ruff", "check", "--no-cache", *paths)
    form = extended.python("-m", "ruff", "format", "--no-cache", "--check", *FILES)

    assert style.returncode == 0, style.stdout
    assert form.returncode == 0, form.stderr
