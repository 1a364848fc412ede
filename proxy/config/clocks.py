"""The clocks: how long a wait may last, each by its name.  Seconds; 0 = off."""

from dataclasses import dataclass

from proxy.config.fields import Seconds, Section


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks in force for one model entry on one upstream, in seconds; the defaults are those of the product."""

    body: float = 30.0  # 10 MiB on 3 Mbit/s take 27 s; slower looks like an attack
    connect: float = 5.0  # what official clients allow
    failover: float = 12.0  # below commit_headers_after, so that a failure still has a status
    first_event: float = 120.0  # loading a model plus silent reasoning
    idle: float = 60.0  # servers behind common proxies must send within 60 s
    progress: float = 300.0  # such silences inside reasoning and arguments occur
    total: float = 1800.0  # a far backstop: must not cut healthy agent turns
    tail: float = 2.0  # usage and the end mark follow at once or never
    queue: float = 5.0  # longer, and the callers' own retries double the load
    token: float = 10.0  # login endpoints answer in 3 s
    client_write: float = 30.0  # 48 KiB in 30 s; every real reader is faster
    heartbeat: float = 15.0  # a quarter of the common 60 s read limit of proxies
    commit_headers_after: float = 15.0  # the same
    first_event_explicit: bool = False
    """Whether `first_event` was set in any table; if not, an answer that can't be streamed may take `total`."""


class ClockTable(Section):
    """How long each wait may last.  0 = off.

    The same table, in part, may stand on an upstream and on a model (`clocks = { total = 600 }`): the model's beats the
    upstream's, and that one beats this.
    """

    body: Seconds | None = None
    """From a request's head to the end of its body.  Runs before the model is known: set it in `[clocks]`."""
    connect: Seconds | None = None
    """Name look-up, connection and handshake of one attempt."""
    failover: Seconds | None = None
    """As `first_event`, but only while another candidate is left; 0 for models that think in silence."""
    first_event: Seconds | None = None
    """From the connection to the first delta (text, reasoning, tool call); ids, roles and pings are none."""
    idle: Seconds | None = None
    """Silence of the upstream while it answers; any byte starts it anew."""
    progress: Seconds | None = None
    """No delta from the upstream while it answers; only a delta starts it anew."""
    total: Seconds | None = None
    """The whole request."""
    tail: Seconds | None = None
    """After the finish reason, for usage and `[DONE]`; running out is no fault."""
    queue: Seconds | None = None
    """A place in a queue: for this worker, or for an upstream's `max_parallel`."""
    token: Seconds | None = None
    """Fetching or renewing the token of a managed credential."""
    client_write: Seconds | None = None
    """A write that the caller does not read."""
    heartbeat: Seconds | None = None
    """Silence towards the caller of a stream after which a comment is sent."""
    commit_headers_after: Seconds | None = None
    """Wait for the first delta after which a stream's status 200 and headers leave, and heartbeats begin."""

    def given(self) -> dict[str, float]:
        """The clocks that this table sets."""
        return self.model_dump(exclude_none=True)


def merged(*tables: ClockTable) -> Clocks:
    """The clocks in force under *tables*, of which a later one beats an earlier one."""
    given: dict[str, float] = {}
    for table in tables:
        given |= table.given()
    return Clocks(**given, first_event_explicit="first_event" in given)
