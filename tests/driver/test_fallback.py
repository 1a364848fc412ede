"""Another candidate: who is asked next, what for, and which failure is told when nobody answers."""

import pytest

from proxy.errors import UpstreamTimeout
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.walk import path

ANSWERED = "tool_parse render done"
SPARE = Upstream.answers("Spare.")
ONCE = {"attempts": 1}
WENT_ON = f"validate auth session upstream backoff upstream stream {ANSWERED}"


@pytest.mark.parametrize("status", [307, 401, 402, 403, 404, 408, 418, 429, 500, 501, 503, 529])
async def test_a_failure_that_is_not_about_the_request_goes_to_the_next_candidate(play: Play, status: int) -> None:
    x = await play(Upstream.fails(status), fallbacks=[SPARE], retry=ONCE)

    assert path(x) == WENT_ON
    assert (x.text, x.done) == ("Spare.", True)


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_fault_of_the_request_goes_to_nobody_else(play: Play, status: int) -> None:
    x = await play(Upstream.fails(status), fallbacks=[SPARE])

    assert path(x) == "validate auth session upstream invalid_request"


async def test_nor_does_what_a_content_policy_refuses(play: Play) -> None:
    x = await play(Upstream.fails(400, code="content_filter"), fallbacks=[SPARE])

    assert (x.status, x.code) == (400, "content_filter")


async def test_an_input_too_long_for_one_window_may_fit_another(play: Play) -> None:
    x = await play(Upstream.fails(400, code="context_length_exceeded"), fallbacks=[SPARE])

    assert path(x) == WENT_ON


async def test_the_same_candidate_is_tried_to_its_last_attempt_first(play: Play) -> None:
    x = await play(Upstream.fails(500), fallbacks=[SPARE], retry={"attempts": 2})

    assert x.attempts == ["main:upstream_error", "main:upstream_error", "spare-1:answered"]


async def test_candidates_are_asked_in_order_each_once(play: Play) -> None:
    x = await play(Upstream.fails(500), fallbacks=[Upstream.fails(503), Upstream.fails(402), SPARE], retry=ONCE)

    assert x.attempts == [
        "main:upstream_error",
        "spare-1:upstream_error",
        "spare-2:insufficient_quota",
        "spare-3:answered",
    ]


async def test_the_next_candidate_is_asked_at_once(play: Play) -> None:
    x = await play(Upstream.fails(500), fallbacks=[SPARE], retry=ONCE)

    assert x.clock.passed_s == 0


async def test_the_answer_names_who_gave_it(play: Play) -> None:
    x = await play(Upstream.fails(500), fallbacks=[SPARE], retry=ONCE, stream=False)

    assert x.json["model"] == "spare-1"


async def test_or_what_was_asked_for_where_that_is_configured(play: Play) -> None:
    """The entry that answers decides for itself."""
    x = await play(
        Upstream.answers("Hello."),
        model={"report_model": "requested", "aliases": ["pet"]},
        body={"model": "pet"},
        stream=False,
    )

    assert x.json["model"] == "pet"


async def test_each_candidate_is_asked_for_its_own_model(play: Play) -> None:
    x = await play(Upstream.fails(500), fallbacks=[SPARE], retry=ONCE, model={"upstream_model": "big-7"})

    assert [turn.upstream_model for turn in x.turns] == ["big-7"]
    assert [turn.upstream_model for turn in x.world.upstreams["spare-1"].turns] == ["spare-1"]


async def test_a_slow_first_token_goes_to_the_next_candidate(play: Play) -> None:
    x = await play(Upstream.opens().then_pings(3).then_stalls(), fallbacks=[SPARE])

    assert path(x) == WENT_ON
    assert x.clock.passed_s == 12
    assert x.exchange.course.attempts[0].clock == "failover"


async def test_the_last_candidate_has_all_the_time_that_first_event_gives(play: Play) -> None:
    x = await play(Upstream.stalls(), fallbacks=[Upstream.waits(119).then_says("Spare.")])

    assert (x.text, x.clock.passed_s) == ("Spare.", 12 + 119)


async def test_a_model_that_thinks_in_silence_is_not_left_for_another(play: Play) -> None:
    """`failover = 0` switches it off; `first_event` stays."""
    x = await play(Upstream.waits(100).then_says("Hello."), fallbacks=[SPARE], clocks={"failover": 0})

    assert x.text == "Hello."


async def test_failover_holds_where_first_event_is_switched_off(play: Play) -> None:
    x = await play(Upstream.stalls(), fallbacks=[SPARE], clocks={"first_event": 0})

    assert (x.text, x.clock.passed_s) == ("Spare.", 12)


async def test_a_connection_that_does_not_come_about_goes_to_the_next_candidate(play: Play) -> None:
    x = await play(SPARE, connects=False, fallbacks=[SPARE])

    assert path(x) == WENT_ON
    assert (len(x.turns), x.clock.passed_s) == (1, 5)


async def test_a_clock_is_worth_no_second_wait_for_the_same_candidate(play: Play) -> None:
    x = await play(Upstream.stalls(), Upstream.answers("Hello."))

    assert path(x) == "validate auth session upstream timeout"
    assert x.clock.passed_s == 120


async def test_unless_nothing_was_sent(play: Play) -> None:
    """Only a connection that did not come about is tried again at the last candidate."""
    x = await play(connects=False, retry={"attempts": 2, "base_s": 0})

    assert path(x) == "validate auth session upstream backoff upstream timeout"
    assert (x.status, x.code, x.clock.passed_s) == (504, "upstream_timeout", 10)


async def test_an_answer_that_is_collected_goes_to_the_next_candidate_when_it_stalls(play: Play) -> None:
    x = await play(Upstream.answers("Hel").then_stalls(), fallbacks=[SPARE], stream=False)

    assert path(x) == f"validate auth session upstream read backoff upstream read {ANSWERED}"
    assert (x.text, x.clock.passed_s) == ("Spare.", 60)


async def test_a_caller_who_may_not_use_a_fallback_does_not_get_it(play: Play) -> None:
    auth = {"mode": "keys", "keys": [{"name": "dev", "key": "sk-dev", "models": ["demo", "spare-2"]}]}
    x = await play(
        Upstream.fails(500),
        fallbacks=[Upstream.answers("Not for you."), SPARE],
        retry=ONCE,
        auth=auth,
        headers={"Authorization": "Bearer sk-dev"},
    )

    assert (x.text, x.attempts) == ("Spare.", ["main:upstream_error", "spare-2:answered"])


async def test_the_status_of_a_failed_answer_stays_free_while_candidates_are_tried(play: Play) -> None:
    x = await play(Upstream.stalls(), fallbacks=[Upstream.fails(503)], retry=ONCE)

    assert (x.status, x.code) == (502, "upstream_error")


# --- which failure is told


async def test_the_last_failure_is_told(play: Play) -> None:
    x = await play(Upstream.fails(500), fallbacks=[Upstream.breaks()], retry=ONCE)

    assert (x.status, x.code) == (502, "upstream_disconnected")


@pytest.mark.parametrize(
    "fault",
    [
        Upstream.fails(400),
        Upstream.fails(422),
        Upstream.fails(404),
        Upstream.fails(400, code="context_length_exceeded"),
        Upstream.fails(429),
        Upstream.fails(402),
    ],
    ids=["400", "422", "404", "context", "429", "402"],
)
async def test_a_fallbacks_4xx_does_not_hide_why_it_was_asked_at_all(play: Play, fault: Upstream) -> None:
    """The caller would look for a fault in a request that the model it has asked for takes."""
    x = await play(Upstream.fails(503), fallbacks=[fault], retry=ONCE)

    assert path(x) == "validate auth session upstream backoff upstream upstream_error"
    assert (x.status, x.code) == (502, "upstream_error")
    assert len(x.exchange.course.attempts) == 2
    assert "upstream_error" not in x.attempts[1]


async def test_nor_does_it_after_a_clock(play: Play) -> None:
    x = await play(Upstream.stalls(), fallbacks=[Upstream.fails(400)])

    assert path(x) == "validate auth session upstream backoff upstream timeout"
    assert (x.status, x.code) == (504, "upstream_timeout")
    assert "'failover'" in x.error["message"]


async def test_the_failure_that_is_told_instead_is_not_tried_again(play: Play) -> None:
    """The request was refused; another call for the sake of an earlier failure would be refused as well."""
    x = await play(Upstream.fails(503), fallbacks=[Upstream.fails(400)], retry={"attempts": 2})

    assert x.attempts == ["main:upstream_error", "main:upstream_error", "spare-1:invalid_value"]


async def test_a_fallback_that_does_not_know_the_model_leaves_the_others_their_chance(play: Play) -> None:
    x = await play(Upstream.fails(503), fallbacks=[Upstream.fails(404), SPARE], retry=ONCE)

    assert x.text == "Spare."


async def test_several_fallbacks_4xx_hide_nothing_together(play: Play) -> None:
    x = await play(Upstream.fails(503), fallbacks=[Upstream.fails(404), Upstream.fails(400)], retry=ONCE)

    assert (x.status, x.code) == (502, "upstream_error")


async def test_the_first_candidates_own_4xx_is_told(play: Play) -> None:
    x = await play(Upstream.fails(404), fallbacks=[Upstream.fails(400)], retry=ONCE)

    assert (x.status, x.code) == (404, "model_not_found")


async def test_a_fallbacks_5xx_is_told(play: Play) -> None:
    x = await play(Upstream.fails(404), fallbacks=[Upstream.fails(500)], retry=ONCE)

    assert (x.status, x.code) == (502, "upstream_error")


async def test_a_failure_that_is_told_instead_keeps_its_clock(play: Play) -> None:
    x = await play(Upstream.fails(UpstreamTimeout("rpc", 3)), fallbacks=[Upstream.fails(400)])

    assert x.exchange.failure.clock == "rpc"


# --- several upstreams of one entry


async def test_an_entry_with_two_upstreams_tries_the_other_one_first(play: Play) -> None:
    x = await play(Upstream.fails(500), beside=Upstream.answers("Beside."), fallbacks=[SPARE])

    assert x.attempts == ["main:upstream_error", "beside:answered"]


async def test_two_upstreams_take_turns(play: Play) -> None:
    x = await play(Upstream.fails(500), beside=Upstream.fails(503), retry={"attempts": 4})

    assert [attempt.upstream for attempt in x.exchange.course.attempts] == ["main", "beside", "main", "beside"]


async def test_a_stale_credential_is_renewed_at_the_upstream_that_refused_it(play: Play) -> None:
    x = await play(Upstream.fails(401), Upstream.answers("Hello."), beside=SPARE, credential="managed")

    assert x.attempts == ["main:upstream_auth_failed", "main:answered"]
