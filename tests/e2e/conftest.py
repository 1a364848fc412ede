"""What the tests with a real process share: a daemon per module."""

from collections.abc import Iterator
from typing import Any

import pytest

from proxy.testing.process import Daemon, daemon
from tests.e2e.configs import script_config, well_behaved

__all__ = ["config", "daemon", "gateway"]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """The configuration of the module's daemon; a module that needs another overrides this."""
    return script_config({"scripted": []})


@pytest.fixture(scope="module")
def gateway(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for the module."""
    with well_behaved(config, tmp_path_factory.mktemp("gateway")) as running:
        yield running
