"""Configurations that several modules build on, and the daemon that must have done well under one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from proxy.testing.process import Daemon


def script_config(scripts: dict[str, list[Any]], **tables: Any) -> dict[str, Any]:
    """A model per script, or list of scripts, under its name; *tables* are added."""
    return {
        "auth": {"mode": "none"},
        "upstreams": [
            {
                "name": name,
                "kind": "scripted",
                ("scripts" if script and isinstance(script[0], list) else "script"): script,
            }
            for name, script in scripts.items()
        ],
        "models": [{"id": name, "upstream": name} for name in scripts],
        "log": {"level": "debug"},
        **tables,
    }


@contextmanager
def well_behaved(config: dict[str, Any], folder: Path) -> Iterator[Daemon]:
    """A daemon; when it has ended, nothing must have gone wrong unseen."""
    with Daemon(config, folder=folder) as running:
        yield running
        assert running.exit_code is None, "the daemon died"
    assert running.exit_code == 0
    assert running.errors == ""
    assert [line for line in running.log if line["level"] not in ("debug", "info")] == []
    stopped = running.lines(event="server.stopped")[-1]
    assert stopped["accepted"] == stopped["ended"]
