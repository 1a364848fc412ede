"""Which store a configuration opens."""

import pytest
from structlog.testing import capture_logs

from proxy.config import Session
from proxy.sessions.degraded import DegradingStore
from proxy.sessions.memory import MemoryStore
from proxy.sessions.opening import open_store
from proxy.sessions.sqlite import SQLiteStore
from proxy.sessions.sqlite_file import StoreUnusable
from proxy.testing.clock import ManualClock
from tests.sessions.stores import take


@pytest.fixture
async def opened():
    """Open a store by its URL; it is closed after the test."""
    stores = []

    def opened(url="", **environ):
        stores.append(open_store(Session(store=url), clock=ManualClock(), environ=environ))
        return stores[-1]

    yield opened
    for store in stores:
        await store.close()


async def test_memory(opened):
    assert isinstance(opened("memory:"), MemoryStore)


@pytest.mark.parametrize("slashes", ["sqlite://", "sqlite:///"], ids=["a URL's", "as SQLAlchemy has it"])
async def test_sqlite_at_a_path(opened, tmp_path, slashes):
    assert isinstance(opened(f"{slashes}{tmp_path}/deep/er/my.db"), SQLiteStore)
    assert (tmp_path / "deep/er/my.db").exists()


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"STATE_DIRECTORY": "{}/systemd:{}/other", "XDG_STATE_HOME": "{}/xdg", "HOME": "{}"}, "systemd"),
        ({"XDG_STATE_HOME": "{}/xdg", "HOME": "{}"}, "xdg/turnstile"),
        ({"XDG_STATE_HOME": "relative", "HOME": "{}"}, ".local/state/turnstile"),
        ({"STATE_DIRECTORY": "", "XDG_STATE_HOME": "", "HOME": "{}"}, ".local/state/turnstile"),
    ],
)
async def test_where_sqlite_is_by_default(opened, tmp_path, environ, folder):
    store = opened(**{name: value.format(tmp_path, tmp_path) for name, value in environ.items()})

    assert isinstance(store, SQLiteStore)
    assert [path.name for path in tmp_path.joinpath(folder).glob("*.db")] == ["sessions.db"]


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1",
        "rediss://127.0.0.1:1",
        "unix:///nowhere/redis.sock",
        "redis+sentinel://127.0.0.1:1/mine",
        "rediss+cluster://127.0.0.1:1",
    ],
)
async def test_a_redis_that_is_down_keeps_nobody_from_starting(opened, url):
    """Turns go on in memory, and nothing of the URL is told."""
    store = opened(url)
    assert isinstance(store, DegradingStore)

    with capture_logs() as lines:
        _, taken = await take(store, "aa")

    assert taken.held
    assert taken.degraded
    assert [line["event"] for line in lines] == ["session_store.degraded"]
    assert "127" not in f"{lines}{store!r}"
    assert "nowhere" not in f"{lines}"


async def test_a_url_of_redis_that_is_not_right(opened):
    with pytest.raises(StoreUnusable, match="the URL of Redis is not right"):
        opened("redis://127.0.0.1:s3cr3t")


async def test_a_default_place_that_cannot_be_written_names_the_setting(opened, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnusable) as raised:
        opened(STATE_DIRECTORY=f"{tmp_path}/file")

    assert raised.value.strerror == (
        f"session.store: cannot write {tmp_path}/file/sessions.db: file exists;"
        " session.store names another place, or memory:"
    )
