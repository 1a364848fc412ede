"""One turn's hold on its conversation: what is told, what is recorded, and what is given back."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import structlog

from proxy.deadline import Clock
from proxy.errors import SessionLost
from proxy.ports import Candidate, Node, Place, Plan
from proxy.sessions.canonical import canonical_answer
from proxy.sessions.identity import Identified
from proxy.sessions.keys import Scope
from proxy.sessions.leases import Leases
from proxy.sessions.record import Record
from proxy.sessions.store import Lease, Put, RecordStore, StoreFailed
from proxy.tasks import spawn
from proxy.wire.answer import Answer

GIVE_BACK_S = 2.0  # how long the store may take to hear that a turn has ended badly

log = structlog.get_logger("turnstile.sessions")


@dataclass(frozen=True, slots=True)
class Found:
    """What the store knew: the node to continue, and the keys that it stands under."""

    record: Record | None = None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where turns are recorded, and for how many seconds (0 = for ever)."""

    store: RecordStore
    leases: Leases
    keep_s: float
    clock: Clock


class StoredConversation:
    """A `Conversation` that is kept in a store.

    *lease* is None for a turn that nobody else can be in the way of, and for a *branch*, made while another turn holds
    the conversation: a branch leaves the conversation's name to the other.
    """

    def __init__(
        self,
        turn: Identified,
        found: Found,
        place: Place,
        shelf: Shelf,
        lease: Lease | None = None,
        *,
        degraded: bool = False,
        branch: bool = False,
    ) -> None:
        self._turn = turn
        self._found = found
        self._place = place
        self._shelf = shelf
        self._lease = lease
        self._degraded = degraded
        self._branch = branch
        self._lost = False
        self._here = True  # the call under way goes to the place that the conversation is held at
        self._continued: bool | None = None  # that call was told only what is new
        self._sent = False  # the upstream may have taken it
        self._left_open = False  # it may have taken an earlier one
        self.session_id: str | None = turn.session_id
        if lease is not None:
            shelf.leases.keep(lease)

    @property
    def status(self) -> str:
        """`new`, `hit` or `replay`."""
        if self._continued if self._continued is not None else self._found.record is not None:
            return "hit"
        return "new" if self._turn.history.prefix is None and not self._lost else "replay"

    @property
    def degraded(self) -> bool:
        """Whether the store could not be asked."""
        return self._degraded

    @property
    def history_missing(self) -> bool:
        """Whether only the upstream has the history."""
        return self._found.record is not None and self._turn.history.prefix is None

    # --- what is told

    def plan(self, _candidate: Candidate, place: Place) -> Plan:
        """What is new where the upstream can go on from the node; everything otherwise.

        Raises `SessionLost` when it can't, and the request does not hold what it would have to be told.
        """
        self._left_open = self._left_open or (self._sent and self._here)
        self._sent, self._continued = False, False
        self._here = place is self._place
        record = self._found.record
        if record is None or self._lost or not self._here:
            return Plan(None, self._turn.history.tail)
        blocked = record.open or record.passed or self._left_open or self._branch
        if place.upstream.keeps == "line" and blocked:
            if self.history_missing:
                self._lost = True
                raise SessionLost
            return Plan(None, self._turn.history.tail)
        self._continued = True
        return Plan(record.ids, self._turn.history.tail)

    def sent(self) -> None:
        """The upstream may have taken the turn."""
        self._sent = True

    def refused(self) -> None:
        """It has not."""
        self._sent = False

    def forget(self) -> None:
        """Tell everything from now on; the record goes when the lease does."""
        self._lost = True
        self._continued = False

    # --- what is recorded

    async def commit(self, candidate: Candidate, place: Place, answer: Answer, node: Node | None) -> None:
        """Record the turn and give the lease back, in one step.  A store that fails costs the record, not the answer.

        Without a *node* the turn stays open, and is told so when it is let go of.
        """
        if node is None:
            return
        puts = [*self._new_records(candidate, place, answer, node), *self._passed_record()]
        drops = [key for key in self._dropped() if all(put.key != key for put in puts)]
        shelf = self._shelf
        try:
            if self._lease is None:
                await shelf.store.write(self._turn.owner.partition, puts, keep_s=shelf.keep_s)
            elif not await shelf.store.settle(self._lease, puts, drops, keep_s=shelf.keep_s):
                log.warning("a conversation's lease was lost; the turn was not recorded")
        except StoreFailed as failed:
            self._degraded = True
            log.warning("a turn could not be recorded", reason=str(failed))
            return  # the turn stays open, and its lease is given back with that
        self._sent = self._left_open = False
        if self._lease is not None:
            shelf.leases.drop(self._lease)
            self._lease = None

    def _new_records(self, candidate: Candidate, place: Place, answer: Answer, node: Node) -> Sequence[Put]:
        turn = self._turn
        scope = turn.scope if place is self._place else turn.scope_at(candidate, place)
        now_ms = int(self._shelf.clock.wall() * 1000)
        before = self._found.record if self._continued else None
        record = Record(
            session_id=turn.session_id,
            scope=scope.name,
            upstream=place.upstream.name,
            model=candidate.model_id,
            caller=turn.owner.caller.fingerprint,
            ids=node,
            turns=before.turns + 1 if before else 1,
            created_ms=before.created_ms if before else now_ms,
            updated_ms=now_ms,
            asked=turn.history.asked,
            shown=turn.history.prefix is not None or (before is not None and before.shown),
        ).encoded()
        return [Put(key, turn.group, record) for key in self._keys_of_answer(scope, answer)]

    def _keys_of_answer(self, scope: Scope, answer: Answer) -> Iterator[str]:
        turn = self._turn
        if not turn.linear:
            history = turn.history.with_answer(canonical_answer(answer, legacy_functions=turn.legacy_functions))
            yield scope.node_key(history)
            if turn.named:
                yield scope.node_key(history, turn.session_id)
        if not self._branch:
            yield turn.group
            if turn.standing not in (None, turn.group):
                yield turn.standing

    def _passed_record(self) -> Sequence[Put]:
        """The node that was continued, which is the head no more; only upstreams that know but one line mind that."""
        record = self._found.record
        if record is None or not self._continued or self._place.upstream.keeps != "line":
            return ()
        passed = record.passed_by().encoded()
        heads = (self._turn.group, self._turn.standing)
        return [Put(key, self._turn.group, passed) for key in self._found.keys if key not in heads]

    def _dropped(self) -> Sequence[str]:
        return self._found.keys if self._lost else ()

    # --- what is given back

    def release(self) -> None:
        """Give the lease back; a turn that was left open is noted where a next one could run into it."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        self._shelf.leases.drop(lease)
        spawn(give_back(self._shelf, lease, self._marked(), self._dropped()), name="give a lease back")

    def _marked(self) -> Sequence[Put]:
        record = self._found.record
        sent = self._left_open or (self._sent and self._here)
        if record is None or self._lost or not sent or self._place.upstream.keeps != "line":
            return ()
        marked = record.left_open().encoded()
        return [Put(key, self._turn.group, marked) for key in self._found.keys]


async def give_back(shelf: Shelf, lease: Lease, puts: Sequence[Put] = (), drops: Sequence[str] = ()) -> None:
    """Give *lease* back, for a while; if the store does not hear of it, the lease runs out."""
    try:
        async with asyncio.timeout(GIVE_BACK_S):
            await shelf.store.settle(lease, puts, drops, keep_s=shelf.keep_s)
    except (StoreFailed, TimeoutError):
        log.warning("a lease could not be given back; it will run out")
