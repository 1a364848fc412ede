"""Every store, one after another."""

from collections.abc import AsyncIterator

import pytest

from tests.sessions.stores import Subject, memory, sqlite


@pytest.fixture(params=["memory", "sqlite"])
async def subject(request, tmp_path) -> AsyncIterator[Subject]:
    """A store that holds nothing yet."""
    made = memory() if request.param == "memory" else sqlite(tmp_path)
    yield made
    await made.store.close()
    await made.other.close()
