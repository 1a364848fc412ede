"""After a cut: another candidate goes on from the text already sent, where the model entry says so."""

import pytest

from proxy.errors import ConnectTimeout, ConversationLost, CredentialStale, PassThroughDenied, UpstreamTimeout
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.walk import path

CUT = Upstream.answers("The quick brown fox jumps over ").then_breaks()
TOLD = "The quick brown fox jumps over "
RESUMING = {"model": {"resume": True}}
RESUMED = "validate auth session upstream stream resume stream tool_parse render done"
REFUSED = Upstream.fails(400, message="no prefill")


async def test_a_candidate_that_takes_the_beginning_goes_on_from_it(play: Play) -> None:
    x = await play(CUT, fallbacks=[Upstream.answers("the lazy dog.")], **RESUMING)

    assert path(x) == RESUMED
    assert (x.text, x.finish, x.done) == (TOLD + "the lazy dog.", "stop", True)
    assert [turn.prefill for turn in x.world.upstreams["spare-1"].turns] == [TOLD]
    assert x.exchange.resumed == 1


async def test_nothing_is_resumed_unless_it_is_switched_on(play: Play) -> None:
    x = await play(CUT, fallbacks=[Upstream.answers("the lazy dog.")])

    assert path(x) == "validate auth session upstream stream upstream_error"
    assert (x.code, x.done) == ("upstream_truncated", False)


async def test_nor_without_another_candidate(play: Play) -> None:
    """The same one has just failed, and would be asked for the same."""
    x = await play(CUT, **RESUMING)

    assert path(x).endswith("stream upstream_error")


@pytest.mark.parametrize(
    "told",
    [Upstream.calls("now", '{"zo'), Upstream.thinks("Hm"), Upstream.declines("I won")],
    ids=["a tool call", "reasoning", "a refusal"],
)
async def test_nothing_but_text_can_be_gone_on_from(play: Play, told: Upstream) -> None:
    x = await play(told.then_breaks(), fallbacks=[Upstream.answers("the lazy dog.")], **RESUMING)

    assert path(x).endswith("stream upstream_error")


async def test_nor_from_text_that_a_tool_call_has_followed(play: Play) -> None:
    x = await play(
        Upstream.answers("One moment.").then_calls("now", '{"zone"').then_breaks(),
        fallbacks=[Upstream.answers("12:00")],
        **RESUMING,
    )

    assert path(x).endswith("stream upstream_error")


@pytest.mark.parametrize("pieces", [1, 3, 7, 50])
async def test_a_candidate_that_starts_over_is_heard_from_where_it_is_new(play: Play, pieces: int) -> None:
    """Many models repeat the beginning that they were given."""
    whole = TOLD + "the lazy dog."
    again = Upstream.answers(*(whole[at : at + pieces] for at in range(0, len(whole), pieces)))
    x = await play(CUT, fallbacks=[again], **RESUMING)

    assert path(x) == RESUMED
    assert x.text == whole


async def test_a_candidate_that_refuses_a_beginning_is_asked_anew(play: Play) -> None:
    x = await play(CUT, fallbacks=[(REFUSED, Upstream.answers(TOLD, "the lazy dog."))], **RESUMING)

    assert path(x) == RESUMED
    assert x.text == TOLD + "the lazy dog."
    assert [turn.prefill for turn in x.world.upstreams["spare-1"].turns] == [TOLD, None]
    assert x.attempts == ["main:upstream_truncated", "spare-1:invalid_value", "spare-1:answered"]


async def test_one_that_refuses_it_inside_its_answer_is_asked_anew_as_well(play: Play) -> None:
    refused = Upstream.opens().then_fails(400, message="no prefill")
    x = await play(CUT, fallbacks=[(refused, Upstream.answers(TOLD, "the lazy dog."))], **RESUMING)

    assert x.text == TOLD + "the lazy dog."


async def test_a_second_answer_that_disagrees_with_what_was_told_ends_the_stream(play: Play) -> None:
    """Half of one answer and half of another would be a lie."""
    x = await play(CUT, fallbacks=[(REFUSED, Upstream.answers("A slow yellow cat sits."))], **RESUMING)

    assert path(x) == "validate auth session upstream stream resume stream upstream_error"
    assert (x.text, x.code, x.done) == (TOLD, "upstream_protocol", False)


async def test_one_that_is_shorter_than_what_was_told_as_well(play: Play) -> None:
    x = await play(CUT, fallbacks=[(REFUSED, Upstream.answers("The quick brown fox"))], **RESUMING)

    assert path(x).endswith("resume stream upstream_error")
    assert (x.text, x.code, x.done) == (TOLD, "upstream_protocol", False)


async def test_a_call_before_the_told_text_was_repeated_disagrees_too(play: Play) -> None:
    x = await play(CUT, fallbacks=[(REFUSED, Upstream.calls("now"))], **RESUMING)

    assert path(x).endswith("resume stream upstream_error")
    assert x.tool_calls == []


async def test_a_candidate_may_go_on_with_a_call(play: Play) -> None:
    x = await play(CUT, fallbacks=[Upstream.answers("hm. ").then_calls("now", {"zone": "UTC"})], **RESUMING)

    assert (x.text, x.tool_calls, x.finish) == (TOLD + "hm. ", [("now", '{"zone":"UTC"}')], "tool_calls")


async def test_the_few_characters_of_a_short_continuation_are_not_lost(play: Play) -> None:
    """They could have been the beginning of a repetition; the end has shown that they were not."""
    x = await play(CUT, fallbacks=[Upstream.answers("The")], **RESUMING)

    assert (x.text, x.done) == (TOLD + "The", True)


async def test_a_second_cut_goes_to_a_third_candidate(play: Play) -> None:
    x = await play(
        CUT,
        fallbacks=[Upstream.answers("the lazy ").then_breaks(), Upstream.answers("dog.")],
        **RESUMING,
    )

    assert path(x) == "validate auth session upstream stream resume stream resume stream tool_parse render done"
    assert x.text == TOLD + "the lazy dog."
    assert x.world.upstreams["spare-2"].turns[0].prefill == TOLD + "the lazy "


@pytest.mark.parametrize(
    "fault",
    [
        Upstream.fails(500),
        Upstream.fails(429),
        Upstream.fails(400, code="context_length_exceeded"),
        Upstream.stalls(),
        Upstream.fails(ConnectTimeout(5)),
        Upstream.fails(CredentialStale()),
        Upstream.fails(ConversationLost()),
    ],
    ids=["500", "429", "context", "stall", "connect", "stale", "lost"],
)
async def test_a_candidate_that_fails_to_go_on_is_followed_by_the_next(play: Play, fault: Upstream) -> None:
    x = await play(CUT, fallbacks=[fault, Upstream.answers("the lazy dog.")], **RESUMING)

    assert path(x) == "validate auth session upstream stream resume resume stream tool_parse render done"
    assert x.text == TOLD + "the lazy dog."


@pytest.mark.parametrize(
    ("fault", "ending", "code"),
    [
        (Upstream.fails(500), "upstream_error", "upstream_error"),
        (Upstream.fails(429), "rate_limited", "upstream_rate_limited"),
        (Upstream.fails(400), "invalid_request", "invalid_value"),
        (Upstream.stalls(), "timeout", "upstream_timeout"),
        (Upstream.fails(UpstreamTimeout("rpc", 3)), "timeout", "upstream_timeout"),
        (Upstream.fails(CredentialStale()), "upstream_error", "upstream_error"),
        (Upstream.fails(PassThroughDenied()), "upstream_error", "upstream_error"),
    ],
    ids=["500", "429", "400", "stall", "rpc", "stale", "denied"],
)
async def test_when_nobody_goes_on_the_last_failure_is_told_in_the_stream(
    play: Play, fault: Upstream, ending: str, code: str | None
) -> None:
    x = await play(CUT, fallbacks=[fault], **RESUMING)

    assert path(x) == f"validate auth session upstream stream resume {ending}"
    assert (x.status, x.text, x.code, x.done) == (200, TOLD, code, False)


@pytest.mark.parametrize(
    "fault",
    [Upstream.then_stalls, lambda it: it.then_fails(429), lambda it: it.then_fails(500), Upstream.then_ends],
    ids=["idle", "429", "500", "end"],
)
async def test_any_failure_in_mid_stream_can_be_resumed_from(play: Play, fault: Upstream) -> None:
    x = await play(fault(Upstream.answers(TOLD)), fallbacks=[Upstream.answers("the lazy dog.")], **RESUMING)

    assert (path(x), x.text) == (RESUMED, TOLD + "the lazy dog.")


async def test_a_fault_of_the_request_is_not_resumed_from(play: Play) -> None:
    x = await play(Upstream.answers(TOLD).then_fails(400), fallbacks=[Upstream.answers("no")], **RESUMING)

    assert path(x) == "validate auth session upstream stream invalid_request"


async def test_text_that_was_held_back_is_not_repeated(play: Play) -> None:
    """It could have been the beginning of a stop string, so it was never told, and the candidate will say it again."""
    x = await play(
        Upstream.answers("One END", " two EN").then_breaks(),
        fallbacks=[Upstream.answers("ENough END three")],
        body={"stop": ["ENDS", "END three"]},
        **RESUMING,
    )

    assert x.text == "One END two ENough "
    assert x.world.upstreams["spare-1"].turns[0].prefill == "One END two "


async def test_the_id_and_the_model_of_the_answer_stay(play: Play) -> None:
    """A client that sees them change takes it for another answer."""
    x = await play(CUT, fallbacks=[Upstream.answers("the lazy dog.")], **RESUMING)

    assert len({(chunk["id"], chunk["model"], chunk["created"]) for chunk in x.chunks}) == 1


async def test_the_budget_of_calls_holds_for_resuming_too(play: Play) -> None:
    x = await play(
        CUT,
        fallbacks=[(REFUSED, Upstream.answers(TOLD, "the lazy dog."))],
        retry={"attempts": 1, "max_calls": 2},
        **RESUMING,
    )

    assert path(x).endswith("resume invalid_request")
    assert len(x.exchange.course.attempts) == 2


async def test_repeating_what_was_told_is_progress(play: Play) -> None:
    """The model works, even though nothing of it is passed on yet."""
    slowly = Upstream()
    for word in (TOLD + "the lazy dog.").split(" "):
        slowly = slowly.then_waits(40).then_says(word + " ")
    x = await play(CUT, fallbacks=[slowly], clocks={"progress": 60}, **RESUMING)

    assert x.text == TOLD + "the lazy dog. "
