"""Tokens shared through every store: one request for six refusals on three instances, whatever the store is."""

import asyncio
import secrets

from proxy.clock import LoopClock
from proxy.credentials import Issued, TokenKeeper
from proxy.sessions.token_share import StoredTokenShare

SECOND_S = 0.02  # what a fetch takes here


class Endpoint:
    def __init__(self):
        self.asked = 0

    async def fetch(self):
        self.asked += 1
        number = self.asked
        await asyncio.sleep(SECOND_S)
        return Issued(f"tok-{number}", 3600)


async def test_six_refusals_on_three_instances_make_one_request(subject):
    clock, endpoint, key = LoopClock(), Endpoint(), secrets.token_bytes(32)
    keepers = []
    for store in (subject.store, subject.other, subject.store):
        keeper = TokenKeeper(endpoint.fetch, clock, limit_s=10, skew_s=60)
        keeper.join(StoredTokenShare(store, clock, "up", key))
        keepers.append(keeper)

    for generation in (1, 2, 3):
        tokens = await asyncio.gather(*(keeper.token(lambda _clock: None) for keeper in keepers * 2))
        assert {token.text for token in tokens} == {f"tok-{generation}"}
        for keeper in keepers * 2:
            keeper.refused(generation)
    assert endpoint.asked == 3
