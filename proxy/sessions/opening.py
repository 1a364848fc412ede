"""Which store the configuration asks for."""

from collections.abc import Mapping
from pathlib import Path

from proxy.config import Session
from proxy.deadline import Clock
from proxy.sessions.degraded import DegradingStore
from proxy.sessions.memory import MemoryStore
from proxy.sessions.redis import RedisStore
from proxy.sessions.redis_url import parsed
from proxy.sessions.sqlite import SQLiteStore
from proxy.sessions.sqlite_file import StoreUnusable
from proxy.sessions.store import RecordStore

FILE = "sessions.db"
SQLITE = "sqlite://"


def open_store(session: Session, *, clock: Clock, environ: Mapping[str, str]) -> RecordStore:
    """The store that `session.store` names; raises `StoreUnusable`.

    Call it in the process that is going to use it: what it opens does not survive a fork.  A Redis that can't be
    reached does not keep a daemon from starting.
    """
    url = session.store.reveal()
    if url == "memory:":
        return MemoryStore(clock, max_records=session.max_records)
    if url and not url.startswith(SQLITE):
        redis = RedisStore(parsed(url), prefix=session.prefix, timeout_s=session.redis_timeout_s)
        return DegradingStore(redis, clock, max_records=session.max_records)
    if url:
        path = Path("/" + url.removeprefix(SQLITE).lstrip("/"))
        return SQLiteStore(path, clock, max_records=session.max_records)
    try:
        return SQLiteStore(default_folder(environ) / FILE, clock, max_records=session.max_records)
    except StoreUnusable as error:
        hint = f"{error.strerror}; session.store names another place, or memory:"
        raise StoreUnusable(hint, error.errno or 0) from error


def default_folder(environ: Mapping[str, str]) -> Path:
    """Where state is kept: the first folder that systemd has made for it, else the user's."""
    if given := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    if (state := environ.get("XDG_STATE_HOME", "")).startswith("/"):  # a relative one is to be ignored, its makers say
        return Path(state) / "turnstile"
    home = environ.get("HOME", "")
    return (Path(home) if home.startswith("/") else Path.home()) / ".local/state/turnstile"
