"""Another attempt: when there is one, after how long, and when no more."""

import pytest

from proxy.errors import (
    ConnectTimeout,
    TurnstileError,
    UpstreamBusy,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.walk import path

ANSWERED = "tool_parse render done"
HELLO = Upstream.answers("Hello.")


def limited(retry_after):
    return Upstream.fails(429, headers={"retry-after": retry_after})


@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnreachable(),
        UpstreamDisconnected(),
        UpstreamTruncated(),
        UpstreamBusy(),
        UpstreamRateLimited(),
        UpstreamFailed(),
        UpstreamProtocolError(),
        ConnectTimeout(5),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_failure_that_may_pass_is_tried_again(play: Play, error: TurnstileError) -> None:
    x = await play(Upstream.fails(error), HELLO)

    assert path(x) == f"validate auth session upstream backoff upstream stream {ANSWERED}"
    assert (x.status, x.text, x.done) == (200, "Hello.", True)
    assert x.attempts == [f"main:{error.code}", "main:answered"]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 307, 418, 501, 505])
async def test_a_failure_that_will_not_pass_is_not_tried_again(play: Play, status: int) -> None:
    x = await play(Upstream.fails(status), HELLO)

    assert "backoff" not in path(x)
    assert len(x.turns) == 1


async def test_a_candidate_gets_as_many_calls_as_attempts_says(play: Play) -> None:
    x = await play(Upstream.fails(500), retry={"attempts": 3})

    assert path(x) == "validate auth session upstream backoff upstream backoff upstream upstream_error"
    assert len(x.turns) == 3


async def test_one_request_never_makes_more_calls_than_max_calls(play: Play) -> None:
    x = await play(
        Upstream.fails(500),
        fallbacks=[Upstream.fails(500), Upstream.fails(500)],
        retry={"attempts": 3, "max_calls": 4},
    )

    assert x.state == "upstream_error"
    assert x.attempts == ["main:upstream_error"] * 3 + ["spare-1:upstream_error"]


async def test_the_last_failure_is_the_one_that_is_told(play: Play) -> None:
    x = await play(Upstream.fails(500), Upstream.refuses(), Upstream.fails(429), retry={"attempts": 3})

    assert (x.status, x.code) == (429, "upstream_rate_limited")
    assert x.attempts == ["main:upstream_error", "main:upstream_unreachable", "main:upstream_rate_limited"]


async def test_waits_grow_at_random_below_a_doubling_bound(play: Play) -> None:
    """Full jitter: callers who failed together do not come back together."""
    waits = []
    world = play.world(
        *[Upstream.fails(500)] * 5, HELLO, retry={"attempts": 6, "base_s": 1, "cap_s": 3}, breaker={"failures": 0}
    )
    walk = world.begin()
    for _ in range(5):
        await walk.until("backoff")
        began = walk.clock.now()
        await walk.until("upstream")
        waits.append(walk.clock.now() - began)
    await walk.end()

    assert all(0 <= wait <= bound for wait, bound in zip(waits, [1, 2, 3, 3, 3], strict=True))
    assert len(set(waits)) == 5


async def test_retry_after_is_waited_in_full_plus_a_little(play: Play) -> None:
    x = await play(limited("10"), HELLO)

    assert x.text == "Hello."
    assert 10 <= x.clock.passed_s <= 11


async def test_retry_after_in_milliseconds_wins(play: Play) -> None:
    x = await play(Upstream.fails(429, headers={"retry-after-ms": "1500", "retry-after": "10"}), HELLO)

    assert 1.5 <= x.clock.passed_s <= 1.65


async def test_retry_after_as_a_date_is_waited_for(play: Play) -> None:
    """The clock of the tests begins at 14:13:20 UTC."""
    x = await play(limited("Mon, 21 Sep 2026 14:13:25 GMT"), HELLO)

    assert 5 <= x.clock.passed_s <= 5.5


async def test_retry_after_out_of_reach_ends_at_once_and_is_passed_on(play: Play) -> None:
    """The caller knows better than we whether to wait for that long."""
    x = await play(limited("21"), HELLO)

    assert path(x) == "validate auth session upstream rate_limited"
    assert x.clock.passed_s == 0
    assert (x.client.headers["Retry-After"], x.client.headers["retry-after-ms"]) == ("21", "21000")


async def test_a_short_retry_after_is_worth_a_wait_although_another_candidate_is_left(play: Play) -> None:
    x = await play(limited("5"), HELLO, fallbacks=[Upstream.answers("Spare.")])

    assert x.text == "Hello."
    assert 5 <= x.clock.passed_s <= 5.5


async def test_a_long_retry_after_is_not_while_another_candidate_is_left(play: Play) -> None:
    x = await play(limited("5.1"), HELLO, fallbacks=[Upstream.answers("Spare.")])

    assert x.text == "Spare."
    assert x.clock.passed_s == 0


@pytest.mark.parametrize("unreadable", ["-3", "soon", ""])
async def test_an_unreadable_retry_after_is_as_good_as_none(play: Play, unreadable: str) -> None:
    x = await play(limited(unreadable), HELLO)

    assert x.text == "Hello."
    assert x.clock.passed_s <= 0.2


async def test_a_busy_upstreams_retry_after_counts_as_well(play: Play) -> None:
    x = await play(Upstream.fails(503, headers={"retry-after": "2"}), HELLO)

    assert 2 <= x.clock.passed_s <= 2.2


async def test_no_wait_begins_that_would_end_after_the_deadline(play: Play) -> None:
    x = await play(limited("10"), HELLO, clocks={"total": 10})

    assert path(x) == "validate auth session upstream rate_limited"
    assert x.clock.passed_s == 0


async def test_an_answer_that_is_collected_is_tried_again_when_it_breaks(play: Play) -> None:
    """Nothing of it has been told yet."""
    x = await play(Upstream.answers("Hel").then_breaks(), HELLO, stream=False)

    assert path(x) == f"validate auth session upstream read backoff upstream read {ANSWERED}"
    assert (x.status, x.text) == (200, "Hello.")


async def test_the_usage_that_is_told_is_that_of_the_attempt_that_answered(play: Play) -> None:
    x = await play(
        Upstream.answers("Hel").then_reports_usage(7, 700).then_breaks(),
        HELLO.then_reports_usage(7, 2),
        stream=False,
    )

    assert x.json["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


async def test_a_clock_of_an_attempt_does_not_run_on_into_the_wait_for_the_next(play: Play) -> None:
    """The attempt is over; a clock that ran out in `backoff` would be an event that the state does not know."""
    x = await play(limited("10"), HELLO, clocks={"first_event": 4})

    assert path(x) == f"validate auth session upstream backoff upstream stream {ANSWERED}"


async def test_nor_do_the_clocks_of_an_answer_that_broke_while_it_was_collected(play: Play) -> None:
    failing = Upstream.answers("Hel").then_fails(UpstreamRateLimited(retry_after_s=10))
    x = await play(failing, HELLO, stream=False, clocks={"idle": 4, "progress": 5})

    assert path(x) == f"validate auth session upstream read backoff upstream read {ANSWERED}"


async def test_each_attempt_closes_the_call_before_it(play: Play) -> None:
    walk = play.begin(Upstream.answers("Hel").then_fails(UpstreamRateLimited(retry_after_s=10)), HELLO, stream=False)
    await walk.until("backoff")

    assert walk.world.upstreams["main"].live == 0
    await walk.end()


async def test_a_stale_credential_is_renewed_and_the_call_repeated_at_once(play: Play) -> None:
    x = await play(Upstream.fails(401), HELLO, credential="managed")

    assert path(x) == f"validate auth session upstream upstream stream {ANSWERED}"
    assert [turn.renew_credential for turn in x.turns] == [False, True]
    assert x.clock.passed_s == 0


async def test_a_credential_that_is_refused_again_is_the_operators_fault(play: Play) -> None:
    x = await play(Upstream.fails(401), credential="managed")

    assert path(x) == "validate auth session upstream upstream upstream_error"
    assert (x.status, x.code) == (502, "upstream_auth_failed")
    assert len(x.turns) == 2


async def test_renewing_a_credential_is_outside_of_the_budget(play: Play) -> None:
    x = await play(
        Upstream.fails(401), Upstream.fails(500), HELLO, credential="managed", retry={"attempts": 2, "max_calls": 2}
    )

    assert x.text == "Hello."


async def test_a_credential_is_renewed_for_the_call_that_found_it_stale_and_no_other(play: Play) -> None:
    """A retry after something else must not throw a fresh credential away."""
    x = await play(Upstream.fails(401), Upstream.fails(500), HELLO, credential="managed")

    assert [turn.renew_credential for turn in x.turns] == [False, True, False]


async def test_another_candidates_credential_is_not_renewed_for_the_first_ones_sake(play: Play) -> None:
    x = await play(Upstream.fails(401), credential="managed", fallbacks=[HELLO])

    assert x.attempts == ["main:upstream_auth_failed", "main:upstream_auth_failed", "spare-1:answered"]
    assert [turn.renew_credential for turn in x.world.upstreams["spare-1"].turns] == [False]


async def test_one_id_whatever_was_tried(play: Play) -> None:
    """The answer's id is ours, made when somebody answers; the upstream's is in a header."""
    x = await play(Upstream.fails(500), HELLO, stream=False)

    assert x.json["id"].startswith("chatcmpl-")
    assert len(x.json["id"]) == len("chatcmpl-") + 32
    assert x.client.headers["x-upstream-request-id"] == f"up-{x.exchange.request_id}"
