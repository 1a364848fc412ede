"""`[session]`: conversations that upstreams keep, and where they are found again."""

import re
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo

from proxy.config.fields import NEEDS_RESTART, Positive, Seconds, Section, Text, Unit
from proxy.config.problems import problem
from proxy.config.secret import Origin, Secret, resolved_secret

_STORE_FORMS = (
    "memory:, sqlite:///path/sessions.db, redis://[[user]:password@]host:6379/0, unix:///path/redis.sock,"
    " redis+sentinel://host:26379,host:26379/service/0, redis+cluster://host:6379,host:6379, and rediss… for TLS"
)
_REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_HEADER = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+)?")


def _store(value: object, info: ValidationInfo) -> Secret:
    """The URL as a secret, since it may hold a password; what is shown of it is its scheme."""
    if isinstance(value, Secret):
        return value
    origin = info.context or Origin()
    if value == "":
        return Secret("", "")
    secret = resolved_secret(value, origin)
    url = secret.reveal()
    scheme = urlsplit(url).scheme if "://" in url or url == "memory:" else ""
    if url != "memory:" and scheme not in ("sqlite", *_REDIS_SCHEMES):
        raise problem(f"expected one of {_STORE_FORMS}")
    if scheme == "sqlite" and not url.removeprefix("sqlite://").startswith("/"):
        raise problem("expected an absolute path: sqlite:///path/sessions.db")
    return Secret(url, url if scheme in ("sqlite", "") else f"{scheme}://********")


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise problem("1 to 64 of the characters A-Z a-z 0-9 _ . : -")
    return value


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise problem(f"{value!r} is not a header's name")
    return value.lower()


StoreUrl: TypeAlias = Annotated[Secret, PlainValidator(_store)]
HeaderOrNone: TypeAlias = Annotated[str, AfterValidator(_header)]


class Session(Section):
    """Conversations with upstreams that keep the history themselves."""

    store: Annotated[StoreUrl, NEEDS_RESTART] = Field(default=Secret("", ""))
    """`memory:`, `sqlite:///path`, `redis://…` in any form (`env:`, `file:`); empty = SQLite in the state folder."""
    key: Literal["history", "client", "first_message"] = "history"
    """How a request without an id finds its conversation: by what was said, by who asks, or by the first message."""
    ttl_s: Seconds = 1800.0
    """How long a conversation is kept after its last use; 0 = for ever."""
    lease_wait_s: Seconds = 10.0
    """How long a turn waits for another one on the same conversation (clock `lease`)."""
    on_conflict: Literal["wait", "reject", "fork"] = "wait"
    """What a turn does when another holds its conversation; `fork` branches off at once."""
    max_records: Annotated[Positive, Unit("records"), NEEDS_RESTART] = 100_000
    """Records that memory and SQLite keep; the least recently used go first."""
    ignore_system: bool = False
    """Find a conversation whatever its system messages say: for clients that put the time or open files into them."""
    key_header: HeaderOrNone = ""
    """With `key = "client"`: the header that names the client; empty = the product in its user agent."""
    end_user: HeaderOrNone = ""
    """What tells the end users of one key apart: `user` for the field of that name, else a header; empty = nothing."""
    echo_in_body: bool = False
    """Whether answers also carry the conversation's id in their body, as `session_id`."""
    redis_timeout_s: Annotated[Seconds, Field(gt=0), NEEDS_RESTART] = 0.25
    """How long one command to Redis may take."""
    prefix: Annotated[Text, AfterValidator(_prefix), NEEDS_RESTART] = "turnstile"
    """What all keys in Redis begin with."""
    require_store: bool = False
    """Refuse turns of upstreams that keep conversations while the store can't be asked."""

    @property
    def over_network(self) -> bool:
        """Whether the store is on another host, as far as its URL tells."""
        url = urlsplit(self.store.reveal())
        if url.scheme not in _REDIS_SCHEMES or url.scheme == "unix":
            return False
        hosts = [host.rpartition("@")[2].rpartition(":")[0] or host for host in url.netloc.split(",")]
        return not all(host.startswith("127.") or host in ("localhost", "[::1]") for host in hosts)
