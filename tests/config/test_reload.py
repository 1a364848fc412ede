from collections.abc import Callable

import pytest

from proxy.config import Settings, changes_needing_restart

Load = Callable[..., Settings]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("[server]\nhost = '::1'\nport = 1", ["server.host", "server.port"]),
        ("[server]\nunix = '/run/t.sock'\nworkers = 2", ["server.unix", "server.workers"]),
        ("[server]\nmax_in_flight = 2\nmax_queued = 2", ["server.max_in_flight", "server.max_queued"]),
        ("[log]\nformat = 'console'\nlevel = 'debug'", ["log.format", "log.level"]),
    ],
)
def test_a_change_that_waits_for_a_restart_is_named(loaded: Load, text: str, fields: list[str]) -> None:
    """An operator who sees no effect must be told why."""
    assert changes_needing_restart(loaded(), loaded(text)) == fields


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[server]\ndrain_s = 1\nmax_body_bytes = 1\ncors_origins = ['*']",
        "[auth]\nkeys = [{ name = 'a', key = 'k' }]",
        "[clocks]\ntotal = 1",
        "[retry]\nattempts = 1",
        "[[upstreams]]\nname = 'up'\nbase_url = 'http://other'\ncredential = { mode = 'static', token = 't' }",
        "[[models]]\nid = 'n'\nupstream = 'up'\nclocks = { total = 1 }",
    ],
)
def test_everything_else_changes_live(loaded: Load, text: str) -> None:
    assert changes_needing_restart(loaded(), loaded(text)) == []
