"""What the tests with a real process share: a daemon per module, and what must hold of its log when it has ended."""

from collections.abc import Iterator
from typing import Any

import pytest

from proxy.testing.process import Daemon, daemon

__all__ = ["config", "daemon", "gateway"]

SCRIPTED = {"name": "scripted", "kind": "scripted"}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """The configuration of the module's daemon; a module that needs another overrides this."""
    return {
        "auth": {"mode": "none"},
        "upstreams": [SCRIPTED],
        "models": [{"id": "scripted", "upstream": "scripted"}],
        "log": {"level": "debug"},
    }


@pytest.fixture(scope="module")
def gateway(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for the module; at its end nothing must have gone wrong unseen."""
    with Daemon(config, folder=tmp_path_factory.mktemp("gateway")) as running:
        yield running
        assert running.exit_code is None, "the daemon died"
    assert running.exit_code == 0
    assert running.errors == ""
    assert [line for line in running.log if line["level"] not in ("debug", "info")] == []
    stopped = running.lines(event="server.stopped")[-1]
    assert stopped["accepted"] == stopped["ended"]
