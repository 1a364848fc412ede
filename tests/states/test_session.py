"""session: which conversation, which candidates, how much."""

import pytest

from proxy.errors import ConversationBusy, ConversationLost, SessionLost, TurnstileError, UpstreamUnavailable
from proxy.ports import SessionStore
from proxy.testing.clock import ManualClock
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.sessions import FakeSessionStore
from proxy.testing.walk import path

HELLO = Upstream.answers("Hello.")
ANSWERED = "stream tool_parse render done"


class Store:
    """Makes a store of conversations that raises *errors* in turn."""

    def __init__(self, *errors: TurnstileError | None, session_id: str | None = None) -> None:
        self.errors = errors
        self.session_id = session_id

    def __call__(self, clock: ManualClock) -> SessionStore:
        return FakeSessionStore(clock, *self.errors, session_id=self.session_id)


async def test_a_conversation_that_is_held_elsewhere_for_too_long(play: Play) -> None:
    x = await play(sessions=Store(ConversationBusy()))

    assert path(x) == "validate auth session conflict"
    assert (x.status, x.code) == (409, "conversation_busy")
    assert x.client.headers["Retry-After"] == "1"


async def test_a_store_that_is_required_and_gone(play: Play) -> None:
    x = await play(sessions=Store(UpstreamUnavailable()), fallbacks=[HELLO])

    assert path(x) == "validate auth session upstream_error"
    assert x.status == 503


async def test_a_conversation_has_a_name_that_the_caller_hears(play: Play) -> None:
    x = await play(HELLO, sessions=Store(session_id="conv-1"))

    assert x.client.headers["x-session-id"] == "conv-1"


async def test_a_lost_conversation_is_told_anew_unseen(play: Play) -> None:
    x = await play(Upstream.fails(ConversationLost()), HELLO)

    assert path(x) == f"validate auth session upstream session upstream {ANSWERED}"
    assert (x.text, x.clock.passed_s) == ("Hello.", 0)
    assert [turn.plan.ids for turn in x.turns] == [{"node": "known"}, None]
    assert [(each.status, each.committed) for each in x.conversations] == [("replay", True)]


async def test_telling_anew_is_outside_of_the_budget(play: Play) -> None:
    x = await play(
        Upstream.fails(ConversationLost()), Upstream.fails(500), HELLO, retry={"attempts": 2, "max_calls": 2}
    )

    assert x.text == "Hello."


async def test_a_conversation_that_is_lost_again_goes_to_another_candidate(play: Play) -> None:
    x = await play(Upstream.fails(ConversationLost()), fallbacks=[HELLO])

    assert path(x) == f"validate auth session upstream session upstream backoff upstream {ANSWERED}"
    assert x.attempts == ["main:upstream_chat_lost", "main:upstream_chat_lost", "spare-1:answered"]


async def test_what_cannot_be_mended_counts_as_a_call(play: Play) -> None:
    """Only the loss that was mended is free: budgets are finite."""
    lost = Upstream.fails(ConversationLost())
    x = await play(lost, fallbacks=[lost, lost, HELLO], retry={"attempts": 1, "max_calls": 3})

    assert x.state == "upstream_error"
    assert len(x.attempts) == 4


async def test_a_conversation_whose_history_is_gone_too(play: Play) -> None:
    x = await play(Upstream.fails(SessionLost()), fallbacks=[HELLO])

    assert path(x) == "validate auth session upstream conflict"
    assert (x.status, x.code) == (409, "session_lost")
    assert x.client.headers["x-should-retry"] == "false"


async def test_an_input_over_every_candidates_limit(play: Play) -> None:
    x = await play(model={"max_input_tokens": 10}, body={"messages": [{"role": "user", "content": "word " * 50}]})

    assert path(x) == "validate auth session invalid_request"
    assert (x.status, x.code, x.error["param"]) == (400, "context_length_exceeded", "messages")
    assert x.turns == []


async def test_a_candidate_whose_window_is_too_small_is_passed_over(play: Play) -> None:
    x = await play(
        HELLO,
        fallbacks=[Upstream.answers("Spare.")],
        model={"max_input_tokens": 10},
        body={"messages": [{"role": "user", "content": "word " * 50}]},
    )

    assert (x.text, x.attempts) == ("Spare.", ["spare-1:answered"])


@pytest.mark.parametrize("limit", ["max_input_tokens", "context_window_tokens"])
async def test_an_input_that_fits_is_taken(play: Play, limit: str) -> None:
    x = await play(HELLO, model={limit: 1000})

    assert x.text == "Hello."


async def test_the_record_is_written_before_the_closing_frames_leave(play: Play) -> None:
    """So the caller's next turn finds it."""
    walk = play.begin(HELLO, sessions=lambda clock: FakeSessionStore(clock, commit_s=3))
    await walk.until("render")
    assert walk.text == "Hello."
    assert walk.finish is None

    x = await walk.end()
    assert (x.finish, x.done, x.conversations[0].committed) == ("stop", True, True)
