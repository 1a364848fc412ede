"""The record of one node of a conversation, as it is stored: JSON that later versions may add fields to."""

from dataclasses import dataclass, replace
from typing import Any, Self

import orjson

from proxy.ports import Node

VERSION = 1
_TEXTS = ("session_id", "scope", "upstream", "model", "caller")
_COUNTS = ("turns", "created_ms", "updated_ms")
_FLAGS = ("shown", "passed", "open")


@dataclass(frozen=True, slots=True)
class Record:
    """A node that a next turn can continue.

    *session_id*: our id of the conversation.  *scope*: the name of the scope that it is held in.  *caller*: the
    fingerprint of the owner's key.  *ids*: the adapter's own.  *asked*: a digest of the request that led to it.
    *shown*: the caller has sent history along.  *passed*: a turn after it was confirmed.  *open*: a turn was sent to
    it, and nobody knows what became of it.
    """

    session_id: str
    scope: str
    upstream: str
    model: str
    caller: str
    ids: Node
    turns: int
    created_ms: int
    updated_ms: int
    asked: str = ""
    shown: bool = False
    passed: bool = False
    open: bool = False

    def encoded(self) -> bytes:
        """As it is stored."""
        return orjson.dumps({"v": VERSION, **{name: getattr(self, name) for name in self.__slots__}})

    def left_open(self) -> Self:
        """The same, with a turn left open on it."""
        return replace(self, open=True)

    def passed_by(self) -> Self:
        """The same, no longer the head."""
        return replace(self, passed=True)

    @classmethod
    def decoded(cls, stored: bytes | None) -> "Record | None":
        """What is stored; None for whatever can't be read: of another version, broken, not ours."""
        if stored is None:
            return None
        try:
            found = orjson.loads(stored)
        except orjson.JSONDecodeError:
            return None
        return cls._checked(found) if type(found) is dict and found.get("v") == VERSION else None

    @classmethod
    def _checked(cls, found: dict[str, Any]) -> "Record | None":
        if type(found.get("ids")) is not dict or not all(type(found.get(name)) is str for name in _TEXTS):
            return None
        if not all(type(found.get(name)) is int for name in _COUNTS):
            return None
        flags = {name: found.get(name) is True for name in _FLAGS}
        known: dict[str, Any] = {name: found[name] for name in (*_TEXTS, *_COUNTS, "ids")} | flags
        return cls(**known, asked=str(found.get("asked")))
