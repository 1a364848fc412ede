"""The cuts, and playing a scenario with one of them at each of its halts."""

import asyncio
from collections.abc import AsyncIterator, Callable

from proxy.deadline import SHUTDOWN
from proxy.routing.slots import BoundedSlots
from proxy.testing.play import MODEL, World
from statechart.vocabulary import State
from tests.cut_anywhere.halts import CutWalk, Halt, Moment, break_off
from tests.cut_anywhere.scenarios import Scenario

Cut = Callable[[CutWalk, Halt], None]
TOTAL_S = 1800.0


def leave(walk: CutWalk, _halt: Halt) -> None:
    walk.client.leave()


def pass_deadline(walk: CutWalk, _halt: Halt) -> None:
    walk.exchange.deadline.expire("total", TOTAL_S)


def shut_down(walk: CutWalk, _halt: Halt) -> None:
    walk.exchange.deadline.expire(SHUTDOWN)


def break_upstreams(walk: CutWalk, halt: Halt) -> None:
    calls = [call for upstream in walk.world.upstreams.values() for call in upstream.calls if call.open]
    own = [call for call in calls if call.turn.request_id == walk.exchange.request_id]
    answered = any(call.complete or call.finishing for call in own)
    walk.had_all = answered or walk.state is State.RENDER
    for upstream in walk.world.upstreams.values():
        break_off(upstream)
    if own and halt is not None and not halt.done():
        halt.set_result(None)


def all_of(*cuts: Cut) -> Cut:
    def cut(walk: CutWalk, halt: Halt) -> None:
        for each in cuts:
            each(walk, halt)

    return cut


async def play(scenario: Scenario, at: int | None = None, moment: Moment = Moment.WAITING, cut: Cut = leave) -> CutWalk:
    """Play it to its end, cut at halt *at*; and then whatever it had to wait for."""
    world = scenario.build()
    other = scenario.begin(world) if scenario.behind else None
    if other is not None:
        await other.until(State.STREAM)
    walk = scenario.begin(world)
    walk.at, walk.moment, walk.cut = at, moment, cut
    await walk.end()
    if other is not None:
        await other.end()
    return walk


async def cut_everywhere(scenario: Scenario, cut: Cut) -> AsyncIterator[tuple[bytes, CutWalk]]:
    """The bytes of the uncut run, and the walk that was cut, for every halt and both moments."""
    uncut = await play(scenario)
    for moment in Moment:
        for at in range(uncut.halts):
            yield uncut.body, await play(scenario, at, moment, cut)


def check_given_back(walk: CutWalk) -> None:
    """All places are free, no more and no less, and nothing goes on."""
    world = walk.world
    assert isinstance(world, World)
    gateway = world.gateway
    assert not gateway.live
    assert gateway.accepted == gateway.ended == len(world.ended) == len(set(world.ended))
    assert gateway._gate._slots._value == gateway.settings.server.max_in_flight
    for use in gateway._gate._uses.values():
        assert use.live == 0
    route = gateway.ports.catalog.find(MODEL)
    assert route is not None
    for place in route.candidates[0].places:
        assert isinstance(place.slots, BoundedSlots)
        assert place.slots._semaphore._value == 1
    assert not any(upstream.live for upstream in world.upstreams.values())
    assert asyncio.all_tasks() == {asyncio.current_task()}, "no task is left"
    assert world.clock.pending == 0
