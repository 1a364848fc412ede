"""Stores of conversations that fail: the caller gets the answer all the same, and never another conversation."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.clock import LoopClock
from proxy.sessions.memory import MemoryStore
from proxy.sessions.record import Record
from proxy.sessions.store import Lease, Put, StoreFailed, Taken
from proxy.testing.gateway import GatewayServer
from proxy.testing.process import Daemon
from tests.contract.gateway import answer_text, proves
from tests.contract.table import Row
from tests.e2e.wire import Answer, Json, ask, chat, connected, request

CONFIG: Json = {
    "auth": {"mode": "none"},
    "upstreams": [{"name": "scripted", "kind": "scripted"}],
    "models": [{"id": "scripted", "upstream": "scripted"}],
}
STREAMED = pytest.mark.parametrize("stream", [True, False])
FIRST = chat("Hello.")


class FaultyStore(MemoryStore):
    """A store whose steps can be made to fail, by name; *settled* are the answers that `settle` gave."""

    def __init__(self) -> None:
        super().__init__(LoopClock(), max_records=100)
        self.failing: set[str] = set()
        self.settled: list[bool] = []

    def fail(self, step: str) -> None:
        """What a broken store does."""
        if step in self.failing:
            raise StoreFailed("made up")

    async def take(self, lease: Lease, reads: Sequence[str], *, hold_s: float, keep_s: float) -> Taken:
        """Take, unless that is to fail."""
        self.fail("take")
        return await super().take(lease, reads, hold_s=hold_s, keep_s=keep_s)

    async def settle(self, lease: Lease, puts: Sequence[Put], drops: Sequence[str], *, keep_s: float) -> bool:
        """Write, unless that is to fail."""
        self.fail("settle")
        self.settled.append(await super().settle(lease, puts, drops, keep_s=keep_s))
        return self.settled[-1]

    def rewrite(self, change: Callable[[Json], Json]) -> None:
        """Change every record that is kept."""
        for kept in self._records.values():
            kept.value = orjson.dumps(change(orjson.loads(kept.value)))


def following(first: Answer, **fields: Any) -> Json:
    """The turn after the first one, of a client that sends everything."""
    said = {"role": "assistant", "content": answer_text(first)}
    return {**FIRST, "messages": [*FIRST["messages"], said, {"role": "user", "content": "And now?"}], **fields}


async def two_turns(
    store: FaultyStore, between: Callable[[], None], *, stream: bool
) -> tuple[GatewayServer, Answer, Answer]:
    """A turn, whatever happens *between*, and the next turn."""
    async with GatewayServer(CONFIG, records=store) as gateway:
        first = await ask(gateway.url, "POST", "/", FIRST)
        between()
        second = await ask(gateway.url, "POST", "/", following(first, stream=stream))
    return gateway, first, second


@proves("S2")
@STREAMED
async def test_a_look_up_that_fails_is_a_miss(row: Row, stream: bool) -> None:
    """Told anew: what can't be found is never another conversation."""
    store = FaultyStore()
    gateway, _, second = await two_turns(store, lambda: store.failing.add("take"), stream=stream)

    assert answer_text(second) == "You said: And now?"
    last = gateway.ended[-1]
    assert (last.state, last.conversation.status, last.conversation.degraded) == (row.ends, "replay", True)


@proves("S4")
@STREAMED
@pytest.mark.parametrize("change", [{"v": 2}, {"ids": None}, {"scope": "another"}], ids=str)
async def test_a_record_that_cannot_be_used_is_a_miss(row: Row, stream: bool, change: Json) -> None:
    store = FaultyStore()
    gateway, _, second = await two_turns(store, lambda: store.rewrite(lambda stored: stored | change), stream=stream)

    assert answer_text(second) == "You said: And now?"
    last = gateway.ended[-1]
    assert (last.state, last.conversation.status, last.conversation.degraded) == (row.ends, "replay", False)


@proves("S5")
@STREAMED
async def test_a_turn_that_lost_its_lease_is_answered_and_writes_nothing(row: Row, stream: bool) -> None:
    """The next holder's record stands."""
    store = FaultyStore()
    config = {**CONFIG, "upstreams": [{"name": "scripted", "kind": "scripted", "script": SLOW}]}
    async with GatewayServer(config, records=store) as gateway:
        mine = {"x-session-id": "mine"}
        await ask(gateway.url, "POST", "/", FIRST, mine)
        slow = asyncio.ensure_future(ask(gateway.url, "POST", "/", {**FIRST, "stream": stream}, mine))  # noqa: TID251 - a test's own
        while not store._holds:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.002)
        store._holds.clear()
        answer = await slow
        heads = [Record.decoded(kept.value) for kept in store._records.values()]

    assert answer_text(answer) == "Hello."
    assert gateway.ended[-1].state == row.ends
    assert store.settled == [True, False]
    assert {head.turns for head in heads if head} == {1}


LONG = chat("word " * 300, stream=True)  # which takes seconds to be said again
SLOW = [{"say": "Hello.", "chunk": 2, "every_ms": 30}]


@proves("S6")
@STREAMED
async def test_a_record_that_cannot_be_written_costs_the_record_only(row: Row, stream: bool) -> None:
    store = FaultyStore()
    gateway, _, second = await two_turns(store, lambda: store.failing.add("settle"), stream=stream)

    assert answer_text(second) == "You said, in turn 2: And now?"
    last = gateway.ended[-1]
    assert (last.state, last.conversation.degraded) == (row.ends, True)


@proves("G8")
async def test_a_killed_worker_loses_its_connections_and_no_conversation(row: Row, tmp_path: Path) -> None:
    config: Json = {
        **CONFIG,
        "server": {"workers": 2},
        "session": {"on_conflict": "fork"},
    }
    with Daemon(config, folder=tmp_path) as daemon:
        first = await ask(daemon.url, "POST", "/", FIRST, {"x-session-id": "mine"})
        assert answer_text(first) == "You said: Hello."
        before = {line["pid"] for line in daemon.lines(event="server.listening")}
        async with connected(daemon.url) as connection:
            await connection.send(request("POST", "/", LONG, {"x-session-id": "mine"}))
            await connection.head()
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await connection.rest()
        await daemon.line(2, event="supervisor.worker_died")
        while not {line["pid"] for line in daemon.lines(event="server.listening")} - before:  # noqa: ASYNC110 - see its log
            await asyncio.sleep(0.01)
        answer = await ask(daemon.url, "POST", "/", chat("Go on."), {"x-session-id": "mine"})
        line = await daemon.logged(answer.headers["x-request-id"])

    assert (line["session"], line["end_reason"]) == ("hit", "done")
    assert row.told == "-"
