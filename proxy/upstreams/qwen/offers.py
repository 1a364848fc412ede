"""The site's own list of models: asked for in the background, kept for a while."""

import asyncio

import structlog

from proxy.config import QwenUpstream as Configured
from proxy.deadline import Clock
from proxy.errors import TurnstileError
from proxy.ports import Offer
from proxy.tasks import spawn
from proxy.upstreams.qwen.credential import Standing
from proxy.upstreams.qwen.site import QwenSite

FETCH_S = 10.0  # how long the list may take
FIRST_LIST_S = 2.0  # how long whoever lists the models waits for a list when there is none
AGAIN_AFTER_S = 60.0  # after a failure

log = structlog.get_logger("turnstile.models")


class Offers:
    """The list, one fetch at a time; an old list is better than none."""

    def __init__(self, site: QwenSite, credential: Standing, clock: Clock, entry: Configured) -> None:
        self._site = site
        self._credential = credential
        self._clock = clock
        self._name = entry.name
        self._asks = entry.models == "discover"
        self._keep_s = entry.models_ttl_s
        self.known: dict[str, Offer] = {}
        self._due_s = clock.now()
        self._fetch: asyncio.Task[None] | None = None

    def current(self) -> dict[str, Offer]:
        """The models known by now; a list that has got too old is asked for again meanwhile."""
        if self._asks and self._fetch is None and self._clock.now() >= self._due_s:
            self._fetch = spawn(self._renew(), name="fetch the list of models")
        return self.known

    async def settle(self) -> None:
        """Wait for the first list, for a moment."""
        self.current()
        if self._fetch is not None and not self.known:
            await asyncio.wait([self._fetch], timeout=FIRST_LIST_S)

    def inherit(self, before: "Offers") -> None:
        """Serve the list of *before* until there is a new one."""
        if self._asks:
            self.known = before.known

    async def close(self) -> None:
        """Ask no more."""
        self._asks = False
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.wait([self._fetch])

    async def _renew(self) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                found = await self._site.models(self._credential.take())
            self.known = {
                model.id: Offer(
                    owned_by=model.owned_by,
                    created=model.created,
                    context_window_tokens=model.context_window_tokens,
                    max_output_tokens=model.max_output_tokens,
                )
                for model in found
            }
            self._due_s = self._clock.now() + self._keep_s
        except (TurnstileError, TimeoutError) as error:
            self._due_s = self._clock.now() + AGAIN_AFTER_S
            code = error.told_code if isinstance(error, TurnstileError) else "upstream_timeout"
            log.warning("the list of models can't be had", upstream=self._name, code=code)
        finally:
            self._fetch = None
