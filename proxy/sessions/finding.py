"""Finding the conversation of a turn: who asks, what they call it, what was said; then its lease and its record."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import structlog
from multidict import MultiMapping

from proxy.config import Session
from proxy.deadline import Clock
from proxy.errors import ConversationBusy, SessionStoreUnavailable
from proxy.ports import Caller, Candidate, Conversation, Place
from proxy.sessions.conversation import Found, Shelf, StoredConversation, give_back
from proxy.sessions.identity import Asked, Identified, identify
from proxy.sessions.leases import HOLD_S, Leases
from proxy.sessions.record import Record
from proxy.sessions.stateless import NO_CONVERSATION
from proxy.sessions.store import Lease, RecordStore, StoreFailed, Taken
from proxy.tasks import spawn
from proxy.wire.request import ChatRequest

FIRST_POLL_S = 0.02  # between two tries at a lease; grows, so that a long wait costs the store little
LONGEST_POLL_S = 0.25
POLL_GROWTH = 1.5

log = structlog.get_logger("turnstile.sessions")


class StoredSessions:
    """The `SessionStore` over a store of records."""

    def __init__(self, settings: Session, store: RecordStore, leases: Leases, clock: Clock, random: Random) -> None:
        self._settings = settings
        self._store = store
        self._random = random
        self._clock = clock
        self._shelf = Shelf(store, leases, settings.ttl_s, clock)

    async def take(
        self,
        caller: Caller,
        request: ChatRequest,
        candidate: Candidate,
        place: Place,
        *,
        session_id: str | None,
        headers: MultiMapping[str],
    ) -> Conversation:
        """Find it, and wait for its lease, under the clock of whoever asks; see the port."""
        if place.upstream.keeps == "nothing":
            return NO_CONVERSATION
        if self._settings.require_store and self._store.degraded:
            raise SessionStoreUnavailable(retry_after_s=1.0)
        turn = identify(self._settings, Asked(caller, request, candidate, place, session_id, headers), self._random)
        reads = turn.reads
        if not reads:
            return StoredConversation(turn, Found(), place, self._shelf, degraded=self._store.degraded)
        lease = Lease(turn.owner.partition, reads[0], secrets.token_hex(8))
        try:
            taken = await self._leased(lease, reads)
        except StoreFailed as failed:
            if self._settings.require_store:
                raise SessionStoreUnavailable(retry_after_s=1.0) from failed
            log.warning("a conversation could not be looked up; it is told anew", reason=str(failed))
            return StoredConversation(turn, Found(), place, self._shelf, degraded=True)
        held = lease if taken.held else None
        if self._settings.require_store and taken.degraded:
            if held is not None:
                spawn(give_back(self._shelf, held), name="give a lease back")
            raise SessionStoreUnavailable(retry_after_s=1.0)
        found = self._found(turn, reads, taken)
        if found.record is not None and not turn.named:
            turn = replace(turn, session_id=found.record.session_id)
        return StoredConversation(turn, found, place, self._shelf, held, degraded=taken.degraded, branch=not taken.held)

    def _found(self, turn: Identified, reads: Sequence[str], taken: Taken) -> Found:
        """The record that the turn continues, with all the keys that it stands under."""
        known = {
            key: record
            for key, stored in zip(reads, taken.records, strict=True)
            if (record := Record.decoded(stored)) is not None and record.scope == turn.scope.name
        }
        record = continued(turn, [known.get(key) for key in reads])
        if record is None:
            return Found()
        keys = tuple(key for key, other in known.items() if other.ids == record.ids)
        return Found(record.left_open() if taken.abandoned else record, keys)

    # --- its lease

    async def _leased(self, lease: Lease, reads: Sequence[str]) -> Taken:
        """Take the lease, or wait for it, or go on without it, as it is configured."""
        poll_s = FIRST_POLL_S
        while True:
            try:
                taken = await self._store.take(lease, reads, hold_s=HOLD_S, keep_s=self._settings.ttl_s)
            except asyncio.CancelledError:
                spawn(give_back(self._shelf, lease), name="give a lease back")  # it may have been given in this moment
                raise
            if taken.held or self._settings.on_conflict == "fork":
                return taken
            if self._settings.on_conflict == "reject":
                raise ConversationBusy
            await self._clock.sleep(poll_s * self._random.uniform(0.5, 1.0))
            poll_s = min(poll_s * POLL_GROWTH, LONGEST_POLL_S)


def continued(turn: Identified, records: Sequence[Record | None]) -> Record | None:
    """The one of the *records*, in the order in which they were read, that the turn goes on from.

    A named conversation goes on from its head when the request tells no history, unless it is the first turn again:
    that of a caller who always shows the history, or the very same words.
    """
    if not turn.named:
        return records[0]
    head, *nodes = records
    if turn.history.prefix is not None:
        return next((node for node in nodes if node is not None and node.session_id == turn.session_id), None)
    if head is None or head.shown or (head.turns == 1 and head.asked == turn.history.asked):
        return None
    return head
