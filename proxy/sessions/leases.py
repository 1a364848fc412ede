"""Leases that are held: renewed while their turns live, by one timer for all of them."""

import structlog

from proxy.deadline import Clock, TimerHandle
from proxy.sessions.store import Lease, RecordStore, StoreFailed
from proxy.tasks import spawn

HOLD_S = 30.0  # a crashed holder's conversation is free after that
RENEW_S = 10.0  # two renewals may fail before a living holder loses its lease

log = structlog.get_logger("turnstile.sessions")


class Leases:
    """The leases of one process."""

    def __init__(self, store: RecordStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._held: dict[Lease, bool] = {}
        self._timer: TimerHandle | None = None

    def keep(self, lease: Lease) -> None:
        """Renew *lease* from now on."""
        self._held[lease] = True
        self._set()

    def drop(self, lease: Lease) -> None:
        """Renew it no more."""
        self._held.pop(lease, None)
        if not self._held and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        if self._timer is None and self._held:
            self._timer = self._clock.call_at(self._clock.now() + RENEW_S, self._due)

    def _due(self) -> None:
        self._timer = None
        self._set()
        spawn(self._renew(), name="renew leases")

    async def _renew(self) -> None:
        leases = list(self._held)
        if not leases:
            return
        try:
            still = await self._store.renew(leases, hold_s=HOLD_S)
        except StoreFailed:
            return  # the next renewal may do better, and the fence holds in any case
        lost = [lease for lease, kept in zip(leases, still, strict=True) if not kept and lease in self._held]
        for lease in lost:
            self.drop(lease)
        if lost:
            log.warning("leases were lost while their turns ran", leases=len(lost))
