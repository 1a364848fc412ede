"""Every store, one after another."""

from collections.abc import Iterator

import pytest

from tests.sessions.stores import Subject, memory


@pytest.fixture(params=["memory"])
def subject(request) -> Iterator[Subject]:
    """A store that holds nothing yet."""
    return memory()
