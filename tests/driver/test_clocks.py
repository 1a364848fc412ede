"""Every wait has a clock; one that runs out says its name and its seconds, and nothing else ends a wait."""

import pytest

from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.sessions import FakeSessionStore
from proxy.testing.walk import path
from statechart.vocabulary import State

ANSWERED = "tool_parse render done"


def slowly(pieces: int, pause_s):
    script = Upstream.answers("0")
    for number in range(1, pieces):
        script = script.then_waits(pause_s).then_says(str(number))
    return script


def pinging(times, pause_s):
    script = Upstream.answers("Hel")
    for _ in range(times):
        script = script.then_waits(pause_s).then_pings()
    return script


async def test_body(play: Play) -> None:
    x = await play(body_s=31)

    assert path(x) == "validate timeout"
    assert (x.status, x.code, x.clock.passed_s) == (408, "request_timeout", 30)
    assert "30 seconds (clock 'body')" in x.error["message"]
    assert x.client.closed, "the rest of the body may still come"


async def test_queue_for_the_daemon(play: Play) -> None:
    world = play.world(Upstream.answers("Hel").then_stalls(), server={"max_in_flight": 1})
    first = world.begin()
    await first.until(State.STREAM)
    x = await world.begin().end()

    assert path(x) == "validate auth overloaded"
    assert (x.status, x.code, x.clock.passed_s) == (503, "overloaded", 5)
    assert 1 <= int(x.client.headers["Retry-After"]) <= 5
    await first.end()


async def test_queue_for_an_upstream(play: Play) -> None:
    world = play.world(Upstream.answers("Hel").then_stalls(), upstream={"max_parallel": 1})
    first = world.begin()
    await first.until(State.STREAM)
    x = await world.begin().end()

    assert path(x) == "validate auth session upstream overloaded"
    assert (x.status, x.code, x.clock.passed_s) == (503, "overloaded", 5)
    assert 1 <= int(x.client.headers["Retry-After"]) <= 5
    assert x.exchange.failure.clock == "queue"
    assert len(x.turns) == 1, "nothing was asked of the upstream"
    await first.end()


async def test_callers_who_found_no_room_do_not_come_back_together(play: Play) -> None:
    world = play.world(Upstream.stalls(), server={"max_in_flight": 1})
    first = world.begin()
    await first.until(State.UPSTREAM)
    turned_away = [world.begin() for _ in range(8)]
    waits = {(await walk.end()).client.headers["retry-after-ms"] for walk in turned_away}

    assert len(waits) == 8
    await first.end()


async def test_connect(play: Play) -> None:
    x = await play(connects=False, retry={"attempts": 1})

    assert path(x) == "validate auth session upstream timeout"
    assert (x.status, x.code, x.clock.passed_s) == (504, "upstream_timeout", 5)
    assert "clock 'connect' ran out after 5 seconds" in x.error["message"]


@pytest.mark.parametrize(
    "silent",
    [Upstream.stalls(), Upstream.opens().then_stalls(), Upstream.opens().then_pings(30).then_stalls()],
    ids=["nothing", "ids", "pings"],
)
async def test_first_event(play: Play, silent: Upstream) -> None:
    """Ids, roles and pings are no answer, however many."""
    x = await play(silent, clocks={"first_event": 10})

    assert path(x) == "validate auth session upstream timeout"
    assert (x.status, x.code, x.clock.passed_s) == (504, "upstream_timeout", 10)
    assert "clock 'first_event' ran out after 10 seconds" in x.error["message"]


async def test_endless_pings_do_not_hide_a_model_that_does_not_answer(play: Play) -> None:
    script = Upstream.opens()
    for _ in range(300):
        script = script.then_waits(1).then_pings()
    x = await play(script, retry={"attempts": 1})

    assert (x.status, x.clock.passed_s) == (200, 120)
    assert "clock 'first_event' ran out after 120 seconds" in x.error["message"]


async def test_an_answer_that_is_not_streamed_may_take_all_the_time_there_is(play: Play) -> None:
    """The upstream says nothing before it says all; a clock over its first word would be one over the whole."""
    x = await play(Upstream.waits(1000).then_says("Hello."), stream=False)

    assert (x.status, x.text) == (200, "Hello.")


async def test_unless_first_event_was_set(play: Play) -> None:
    x = await play(Upstream.waits(1000).then_says("Hello."), stream=False, clocks={"first_event": 120})

    assert (x.status, x.clock.passed_s) == (504, 120)


@pytest.mark.parametrize(("stream", "state"), [(True, "stream"), (False, "read")])
async def test_idle(play: Play, stream: bool, state: str) -> None:
    x = await play(Upstream.answers("Hel").then_stalls(), stream=stream)

    assert path(x) == f"validate auth session upstream {state} timeout"
    assert (x.code, x.clock.passed_s) == ("upstream_timeout", 60)
    assert "clock 'idle' ran out after 60 seconds" in x.error["message"]


@pytest.mark.parametrize(("stream", "state"), [(True, "stream"), (False, "read")])
async def test_progress(play: Play, stream: bool, state: str) -> None:
    """Any byte keeps a connection from being idle; only a delta is progress."""
    x = await play(pinging(20, 30), stream=stream)

    assert path(x) == f"validate auth session upstream {state} timeout"
    assert (x.code, x.clock.passed_s) == ("upstream_timeout", 300)
    assert "clock 'progress' ran out after 300 seconds" in x.error["message"]


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_may_be_slow_for_as_long_as_it_comes(play: Play, stream: bool) -> None:
    x = await play(slowly(10, 59), stream=stream)

    assert (x.text, x.clock.passed_s) == ("0123456789", 9 * 59)


@pytest.mark.parametrize("stream", [True, False])
async def test_tail_ends_an_answer_and_is_no_fault(play: Play, stream: bool) -> None:
    """Usage and the end mark follow a finish reason at once or never."""
    x = await play(Upstream.answers("Hello.").then_finishes("length").then_stalls(), stream=stream)

    assert path(x).endswith(ANSWERED)
    assert (x.text, x.finish, x.clock.passed_s) == ("Hello.", "length", 2)
    assert x.world.upstreams["main"].calls[0].closed == 1


async def test_usage_that_follows_in_time_is_told(play: Play) -> None:
    late = Upstream.answers("Hello.").then_finishes().then_waits(1.5).then_reports_usage(3, 4)
    x = await play(late, stream=False)

    assert x.json["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


@pytest.mark.parametrize("reads", [0, 1])
async def test_client_write(play: Play, reads: int) -> None:
    """Nothing more is said to one who does not read: the connection is reset."""
    x = await play(Upstream.answers("Hel", "lo").then_stalls(), reads=reads)

    assert path(x) == "validate auth session upstream stream client_abort"
    assert x.client.was_reset
    assert x.exchange.failure.clock == "client_write"
    assert x.exchange.failure.detail.startswith("slow_reader")
    assert x.clock.passed_s == 30
    assert x.error == {}


async def test_client_write_while_the_last_frames_leave(play: Play) -> None:
    x = await play(Upstream.answers("Hello."), reads=1)

    assert path(x).endswith("client_abort")
    assert x.client.was_reset


async def test_client_write_of_an_answer_in_one_piece(play: Play) -> None:
    x = await play(Upstream.answers("Hello."), reads=0, stream=False)

    assert path(x).endswith("render client_abort")
    assert x.client.was_reset


async def test_while_a_caller_does_not_read_no_clock_over_the_upstream_runs(play: Play) -> None:
    """The upstream is not asked for more, so its silence means nothing."""
    clocks = {"idle": 5, "progress": 6, "client_write": 30}
    walk = play.begin(Upstream.answers("Hel", "lo").then_waits(4).then_says("!"), reads=1, clocks=clocks)
    await walk.until(State.STREAM)
    await walk.clock.advance(29)
    walk.client.read_on()
    x = await walk.end()

    assert path(x).endswith(f"stream {ANSWERED}")
    assert x.text == "Hello!"


async def test_total(play: Play) -> None:
    x = await play(slowly(1000, 50), clocks={"total": 600})

    assert path(x) == "validate auth session upstream stream timeout"
    assert (x.status, x.code, x.clock.passed_s) == (200, "total_timeout", 600)
    assert "600 seconds (clock 'total')" in x.error["message"]


async def test_total_runs_from_the_first_byte(play: Play) -> None:
    x = await play(slowly(1000, 50), body_s=20, clocks={"total": 600})

    assert x.clock.passed_s == 600


async def test_a_models_own_total_holds_as_soon_as_the_model_is_known(play: Play) -> None:
    x = await play(slowly(1000, 50), clocks={"total": 600}, model={"clocks": {"total": 100}})

    assert x.clock.passed_s == 100


async def test_a_models_own_total_may_be_longer(play: Play) -> None:
    x = await play(slowly(1000, 50), clocks={"total": 100}, model={"clocks": {"total": 600}})

    assert x.clock.passed_s == 600


@pytest.mark.parametrize("clock", ["idle", "progress", "first_event", "failover", "connect", "queue", "total"])
async def test_zero_switches_a_clock_off(play: Play, clock: str) -> None:
    """It does not mean "the default", nor "at once"."""
    x = await play(Upstream.answers("Hel").then_says("lo."), clocks={clock: 0})

    assert (path(x), x.text) == (f"validate auth session upstream stream {ANSWERED}", "Hello.")


async def test_a_body_may_take_its_time_where_body_is_off(play: Play) -> None:
    x = await play(body_s=3000, clocks={"body": 0, "total": 0})

    assert x.state == "done"


async def test_clocks_of_an_upstream_hold_for_it_alone(play: Play) -> None:
    x = await play(
        Upstream.stalls(),
        fallbacks=[Upstream.waits(50).then_says("Spare.")],
        upstream={"clocks": {"failover": 3}},
    )

    assert (x.text, x.clock.passed_s) == ("Spare.", 53)


async def test_a_lease_is_waited_for_by_the_store_itself(play: Play) -> None:
    """Its error says so; the chart knows it as a busy conversation."""
    x = await play(sessions=lambda clock: FakeSessionStore(clock, take_s=9))

    assert x.state == "done"
