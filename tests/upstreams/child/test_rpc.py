import asyncio
from itertools import count
from random import Random

import orjson
import pytest

from proxy.errors import UpstreamBusy, UpstreamDisconnected, UpstreamProtocolError, UpstreamTimeout
from proxy.tasks import spawn
from proxy.testing.clock import ManualClock, at_rest
from proxy.upstreams.child.rpc import OVERLOADED, RpcPeer, RpcRefused


class Wire:
    """A peer whose other side is the test."""

    def __init__(self, **options):
        self.clock = ManualClock()
        self.sent = []
        self.heard = []
        self.silences = []
        limits = {"deadline_s": 15.0, "max_in_flight": 32, **options}
        self.peer = RpcPeer(
            lambda line: self.sent.append(orjson.loads(line)),
            self,
            self.clock,
            Random(1),
            on_silence=self.silences.append,
            **limits,
        )

    def notified(self, method, params):
        self.heard.append((method, params))

    def asked(self, rpc_id, method, params):
        self.heard.append((rpc_id, method, params))

    def say(self, **message):
        self.peer.receive(orjson.dumps(message))

    async def call(self, method="m", params=None):
        """A call that waits for its reply."""
        calling = spawn(outcome(self.peer.call(method, params or {})), name="call")
        await at_rest()
        return calling


async def outcome(call):
    """What a call gives or raises: a failure of a task of ours is logged unless it is caught."""
    try:
        return await call
    except Exception as error:  # noqa: BLE001 - is looked at by the test
        return error


async def test_a_reply_finds_its_call_by_its_id():
    wire = Wire()
    first, second = await wire.call(), await wire.call()

    wire.say(id=2, result={"n": 2})
    wire.say(id=1, result={"n": 1})

    assert (await first, await second) == ({"n": 1}, {"n": 2})


async def test_a_request_whose_id_is_that_of_a_call_is_no_reply_to_it():
    """Both sides count by themselves; taking the request for a reply is how tool calls hang."""
    wire = Wire()
    call = await wire.call()

    wire.say(id=1, method="item/tool/call", params={"tool": "t"})
    assert not call.done()
    assert wire.heard == [(1, "item/tool/call", {"tool": "t"})]
    wire.peer.answer(1, {"ok": True})
    wire.say(id=1, result={"mine": True})

    assert await call == {"mine": True}
    assert wire.sent[-1] == {"jsonrpc": "2.0", "id": 1, "result": {"ok": True}}


async def test_notifications_have_no_id():
    wire = Wire()

    wire.say(method="turn/started", params={"a": 1})
    wire.say(jsonrpc="2.0", method="bare")

    assert wire.heard == [("turn/started", {"a": 1}), ("bare", {})]


async def test_an_id_of_zero_is_an_id():
    wire = Wire()

    wire.say(id=0, method="item/tool/call", params={})

    assert wire.heard == [(0, "item/tool/call", {})]


async def test_an_error_in_a_reply_is_raised_with_its_code():
    wire = Wire()
    call = await wire.call("turn/start")

    wire.say(id=1, error={"code": -32600, "message": "thread not found: x"})

    refused = await call
    assert isinstance(refused, RpcRefused)
    assert (refused.method, refused.code, refused.message) == ("turn/start", -32600, "thread not found: x")


@pytest.mark.parametrize("line", [b"{", b"[]", b'"text"', b"{}", b'{"result": {}}', b"\xff"])
async def test_what_is_no_message_is_not_skipped(line):
    with pytest.raises(UpstreamProtocolError):
        Wire().peer.receive(line)


async def test_a_call_without_a_reply_ends_by_the_clock_rpc():
    wire = Wire()
    call = await wire.call()

    await wire.clock.advance(14.9)
    assert not call.done()
    await wire.clock.advance(0.2)

    error = await call
    assert isinstance(error, UpstreamTimeout)
    assert (error.clock, error.seconds) == ("rpc", 15.0)
    assert wire.clock.pending == 0


async def test_calls_without_a_reply_are_counted_until_one_comes():
    wire = Wire()
    for _ in range(2):
        await wire.call()
    await wire.clock.advance(16)
    answered = await wire.call()
    wire.say(id=3, result={})
    await answered
    await wire.call()
    await wire.clock.advance(16)

    assert wire.silences == [1, 2, 1]


async def test_a_reply_that_comes_too_late_is_dropped():
    wire = Wire()
    call = await wire.call()
    await wire.clock.advance(16)

    wire.say(id=1, result={})

    assert isinstance(await call, UpstreamTimeout)


async def test_few_calls_are_out_at_a_time_and_the_rest_follows_in_order():
    wire = Wire(max_in_flight=2)
    calls = [await wire.call(str(number)) for number in range(4)]
    assert [message["method"] for message in wire.sent] == ["0", "1"]

    wire.say(id=2, result={})
    await calls[1]
    assert [message["method"] for message in wire.sent] == ["0", "1", "2"]
    for rpc_id in (1, 3, 4):
        wire.say(id=rpc_id, result={})
        await at_rest()

    await asyncio.gather(*calls)
    assert wire.peer.outstanding == 0


async def test_the_deadline_holds_for_calls_that_wait_their_turn():
    wire = Wire(max_in_flight=1)
    calls = [await wire.call() for _ in range(3)]

    await wire.clock.advance(16)

    assert [type(await call) for call in calls] == [UpstreamTimeout] * 3
    assert len(wire.sent) == 1


async def test_an_overloaded_peer_is_asked_again_three_times():
    wire = Wire()
    call = await wire.call()
    for rpc_id in (1, 2, 3):
        wire.say(id=rpc_id, error={"code": OVERLOADED, "message": "Server overloaded; retry later."})
        await wire.clock.advance(1)
    wire.say(id=4, result={"at": "last"})

    assert await call == {"at": "last"}
    assert [message["id"] for message in wire.sent] == [1, 2, 3, 4]


async def test_a_peer_that_stays_overloaded_is_busy():
    wire = Wire()
    call = await wire.call()
    for rpc_id in count(1):
        if call.done():
            break
        wire.say(id=rpc_id, error={"code": OVERLOADED, "message": "Server overloaded; retry later."})
        await wire.clock.advance(1)

    assert isinstance(await call, UpstreamBusy)
    assert len(wire.sent) == 4


async def test_the_end_of_the_connection_ends_every_call_and_every_later_one():
    wire = Wire(max_in_flight=1)
    calls = [await wire.call() for _ in range(2)]

    wire.peer.fail(lambda: UpstreamDisconnected(detail="gone"))
    calls.append(await wire.call())

    assert [type(await call) for call in calls] == [UpstreamDisconnected] * 3
    assert len(wire.sent) == 1


async def test_a_call_that_is_given_up_makes_room():
    wire = Wire(max_in_flight=1)
    first, _second = await wire.call("first"), await wire.call("second")

    first.cancel()
    await at_rest()

    assert [message["method"] for message in wire.sent] == ["first", "second"]
    assert wire.peer.outstanding == 1
