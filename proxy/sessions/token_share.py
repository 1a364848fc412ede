"""Tokens shared by the processes of an installation, in the store of conversations: a `TokenShare`.

A token is one record under one lease, of which the store knows nothing.  With a key the token is sealed (AES-GCM), so
that whoever reads the store can do nothing with it.
"""

import asyncio
import base64
import binascii
import secrets
from hashlib import blake2b
from math import inf
from typing import Any

import orjson
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxy.credentials import Seen, SharedToken
from proxy.deadline import Clock
from proxy.sessions.store import Lease, Put, RecordStore, StoreFailed, Taken
from proxy.tasks import spawn

VERSION = 1
NONCE_BYTES = 12  # NIST SP 800-38D §8.2
KEY_BYTES = 16
KEPT_LONGER_S = 3600.0  # after its end: the next one's generation goes on from it
GIVE_BACK_S = 2.0

log = structlog.get_logger("turnstile.credentials")


class StoredTokenShare:
    """The token that *name* stands for; *key* seals it."""

    def __init__(self, store: RecordStore, clock: Clock, name: str, key: bytes | None = None) -> None:
        self._store = store
        self._clock = clock
        self._name = name
        self._seal = AESGCM(key) if key is not None else None
        self._partition = _hash(b"token.part", name)
        self._key = _hash(b"token.key", name)

    async def take(self, *, hold_s: float) -> Seen:
        """Try to take the lock, and read; a store that fails leaves this process to itself."""
        lease = Lease(self._partition, self._key, secrets.token_hex(8))
        try:
            taken: Taken = await self._store.take(lease, [self._key], hold_s=hold_s, keep_s=0.0)
        except StoreFailed as failed:
            log.warning("a token is not shared", reason=str(failed))
            return Seen(lease, None)
        except asyncio.CancelledError:
            self.let_go(lease)  # it may have been given in this moment
            raise
        (record,) = taken.records
        return Seen(lease if taken.held else None, self._decoded(record))

    async def put(self, lock: Any, token: SharedToken) -> None:
        """Share *token*, and give the lock back; whoever has lost it meanwhile shares nothing."""
        left_s, _ = token.left_s(self._clock.wall())
        keep_s = 0.0 if left_s == inf else left_s + KEPT_LONGER_S
        put = Put(self._key, self._key, self._encoded(token))
        try:
            await self._store.settle(lock, [put], (), keep_s=keep_s)
        except StoreFailed as failed:
            log.warning("a token is not shared", reason=str(failed))

    def let_go(self, lock: Any) -> None:
        """Give the lock back, beside everything else."""
        spawn(self._give_back(lock), name="give a token's lock back")

    async def _give_back(self, lock: Lease) -> None:
        try:
            async with asyncio.timeout(GIVE_BACK_S):
                await self._store.settle(lock, (), (), keep_s=0.0)
        except (StoreFailed, TimeoutError):
            log.warning("a token's lock could not be given back; it will run out")

    # --- as it is stored

    def _encoded(self, token: SharedToken) -> bytes:
        told: dict[str, Any] = {
            "v": VERSION,
            "generation": token.generation,
            "expires_at_ms": token.expires_at_ms,
            "renew_at_ms": token.renew_at_ms,
        }
        if self._seal is None:
            return orjson.dumps({**told, "token": token.token})
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._seal.encrypt(nonce, token.token.encode(), self._bound_to(told))
        return orjson.dumps({**told, "sealed": base64.b64encode(nonce + sealed).decode()})

    def _decoded(self, stored: bytes | None) -> SharedToken | None:
        """What is stored; None for whatever can't be read: of another version, broken, or sealed with another key."""
        try:
            told = orjson.loads(stored or b"null")
        except orjson.JSONDecodeError:
            return None
        if type(told) is not dict or told.get("v") != VERSION or type(told.get("generation")) is not int:
            return None
        token = told.get("token") if self._seal is None else self._opened(told)
        times = (told.get("expires_at_ms"), told.get("renew_at_ms"))
        if type(token) is not str or any(type(each) not in (int, type(None)) for each in times):
            return None
        return SharedToken(told["generation"], token, *times)

    def _opened(self, told: dict[str, Any]) -> str | None:
        try:
            sealed = base64.b64decode(told.get("sealed", ""), validate=True)
            assert self._seal is not None  # noqa: S101 - asked before
            return self._seal.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._bound_to(told)).decode()
        except (InvalidTag, binascii.Error, TypeError, ValueError):
            return None

    def _bound_to(self, told: dict[str, Any]) -> bytes:
        """What a sealed token belongs to: moved to another place, or given another life, it can't be opened."""
        times = (told.get("expires_at_ms"), told.get("renew_at_ms"))
        return orjson.dumps([self._name, VERSION, told["generation"], *times])


def _hash(what: bytes, name: str) -> str:
    return blake2b(name.encode(), digest_size=KEY_BYTES, person=what).hexdigest()
