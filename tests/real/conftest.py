"""What the tests with other projects' servers and clients share."""

from collections.abc import Iterator
from typing import Any

import pytest

from proxy.testing.llama import llama
from proxy.testing.process import Daemon, daemon
from tests.e2e.configs import well_behaved

__all__ = ["daemon", "gateway", "llama"]


@pytest.fixture(scope="module")
def gateway(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for the module, under the module's own `config`."""
    with well_behaved(config, tmp_path_factory.mktemp("gateway")) as running:
        yield running
