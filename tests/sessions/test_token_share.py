"""Tokens in the store of conversations: sealed, fenced, and no conversation."""

import secrets

import pytest

from proxy.credentials import SharedToken
from proxy.sessions.listing import conversations
from proxy.sessions.memory import MemoryStore
from proxy.sessions.store import Lease, Put, StoreFailed
from proxy.sessions.token_share import StoredTokenShare
from proxy.testing.clock import ManualClock, at_rest

TOKEN = SharedToken(3, "tok-secret", 1_790_000_100_000, 1_790_000_050_000)
KEY = secrets.token_bytes(32)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store(clock):
    return MemoryStore(clock, max_records=100)


def raw(store):
    return b"".join(kept.value for kept in store._records.values())


@pytest.mark.parametrize("key", [None, KEY])
async def test_what_is_shared_is_read_by_the_others(store, clock, key):
    one, other = (StoredTokenShare(store, clock, "up", key) for _ in range(2))
    seen = await one.take(hold_s=5)
    assert (await other.take(hold_s=5)).lock is None
    await one.put(seen.lock, TOKEN)

    assert (await other.take(hold_s=5)).token == TOKEN


async def test_a_sealed_token_can_not_be_read_in_the_store(store, clock):
    share = StoredTokenShare(store, clock, "up", KEY)
    await share.put((await share.take(hold_s=5)).lock, TOKEN)

    assert b"tok-secret" not in raw(store)
    assert b'"generation":3' in raw(store)


@pytest.mark.parametrize("reader", [{"key": secrets.token_bytes(32)}, {"key": None}])
async def test_another_key_opens_nothing(store, clock, reader):
    share = StoredTokenShare(store, clock, "up", KEY)
    await share.put((await share.take(hold_s=5)).lock, TOKEN)

    assert (await StoredTokenShare(store, clock, "up", **reader).take(hold_s=5)).token is None


async def test_a_sealed_token_that_was_given_another_life_is_none(store, clock):
    share = StoredTokenShare(store, clock, "up", KEY)
    await share.put((await share.take(hold_s=5)).lock, TOKEN)
    (kept,) = store._records.values()
    kept.value = kept.value.replace(b"1790000100000", b"1890000100000")

    assert (await share.take(hold_s=5)).token is None


@pytest.mark.parametrize(
    "stored",
    [b"", b"{", b"null", b"[]", b'{"v":2,"generation":1,"token":"t"}', b'{"v":1,"generation":"1","token":"t"}',
     b'{"v":1,"generation":1}', b'{"v":1,"generation":1,"token":"t","expires_at_ms":"soon"}'],
)  # fmt: skip
async def test_what_can_not_be_read_is_no_token(store, clock, stored):
    share = StoredTokenShare(store, clock, "up")
    await store.write(share._partition, [Put(share._key, share._key, stored)], keep_s=0)

    assert (await share.take(hold_s=5)).token is None


async def test_two_upstreams_share_nothing(store, clock):
    share = StoredTokenShare(store, clock, "up")
    await share.put((await share.take(hold_s=5)).lock, TOKEN)

    assert (await StoredTokenShare(store, clock, "other").take(hold_s=5)).token is None


async def test_who_has_lost_the_lock_shares_nothing(store, clock):
    share = StoredTokenShare(store, clock, "up")
    late = await share.take(hold_s=1)
    await clock.advance(2)
    seen = await share.take(hold_s=5)
    await share.put(seen.lock, TOKEN)
    await share.put(late.lock, SharedToken(2, "old"))

    assert (await share.take(hold_s=5)).token == TOKEN


async def test_a_lock_is_given_back(store, clock):
    share = StoredTokenShare(store, clock, "up")
    share.let_go((await share.take(hold_s=50)).lock)
    await at_rest()

    assert (await share.take(hold_s=5)).lock is not None


async def test_a_store_that_fails_leaves_the_process_to_itself(clock):
    class Down:
        async def take(self, *_args, **_kwargs):
            raise StoreFailed("down")

        settle = take

    share = StoredTokenShare(Down(), clock, "up")
    seen = await share.take(hold_s=5)
    await share.put(seen.lock, TOKEN)

    assert isinstance(seen.lock, Lease)
    assert seen.token is None


async def test_a_token_is_listed_as_no_conversation(store, clock):
    share = StoredTokenShare(store, clock, "up")
    await share.put((await share.take(hold_s=5)).lock, TOKEN)

    assert await conversations(store, None) == []
    assert b"up" not in share._partition.encode()
