"""The keys that conversations stand under, which tell nothing of them.

Everything is hashed under the caller: no key of one caller is ever the key of another.  Records of one caller stand in
one partition; within it, what else tells conversations apart (upstream, model, persona) goes into the key of the hash.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b, md5
from typing import Any

from proxy.ports import Caller, Candidate, Place

KEY_BYTES = 16
WHOLE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose conversations these are: a caller, and the end user behind it where that is told apart."""

    caller: Caller
    end_user: str

    @property
    def partition(self) -> str:
        """The name of the owner's partition, in hexadecimal digits."""
        return _hash(b"owner", self.caller.name, self.caller.fingerprint, self.end_user)


class Scope:
    """Where a conversation is held: an upstream and a model, and whatever else tells its conversations apart there."""

    __slots__ = ("_key", "name")

    def __init__(self, partition: str, candidate: Candidate, place: Place, more: str) -> None:
        self.name = _hash(b"scope", partition, place.upstream.name, candidate.model_id, more)
        self._key = self.name.encode("ascii")

    def node_key(self, history: bytes, session_id: str | None = None) -> str:
        """The key of the node at the end of a *history* (its digest), within one named conversation or in any."""
        return blake2b(
            history + (session_id or "").encode(), digest_size=KEY_BYTES, key=self._key, person=b"node"
        ).hexdigest()


def session_key(partition: str, session_id: str) -> str:
    """The key of a conversation that has a name; it is the name of the group that all its records stand in, too."""
    return _hash(b"session", partition, session_id)


class History:
    """The digests of a request's history: at its last assistant message, as a whole, and together with an answer."""

    __slots__ = ("_whole", "prefix", "tail")

    def __init__(self, pieces: Sequence[bytes], tail: int) -> None:
        running = blake2b(digest_size=WHOLE_BYTES)
        for piece in pieces[:tail]:
            _update(running, piece)
        self.tail = tail
        self.prefix = running.digest() if tail else None
        for piece in pieces[tail:]:
            _update(running, piece)
        self._whole = running

    @property
    def asked(self) -> str:
        """The digest of all that the request tells, in hexadecimal digits."""
        return self._whole.hexdigest()

    def with_answer(self, piece: bytes) -> bytes:
        """The digest of the whole history and an answer to it: what the next turn's prefix will be."""
        running = self._whole.copy()
        _update(running, piece)
        return running.digest()


def tail_of(messages: Sequence[dict[str, Any]]) -> int:
    """The index of the first message after the last one of the assistant."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index]["role"] == "assistant":
            return index + 1
    return 0


def first_message_id(text: str) -> str:
    """The MD5 of the first user message, untrimmed: an id that operators of an older gateway know."""
    return md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def client_id(client: str) -> str:
    """The id of the one conversation that a client has."""
    return f"client_{_hash(b'client', client)}"


def _update(running: "blake2b", piece: bytes) -> None:
    if piece:  # a message that does not count leaves no trace
        running.update(len(piece).to_bytes(8, "big"))
        running.update(piece)


def _hash(what: bytes, *parts: str) -> str:
    text = json.dumps(parts).encode()  # unambiguous, whatever the parts hold
    return blake2b(text, digest_size=KEY_BYTES, person=what).hexdigest()
