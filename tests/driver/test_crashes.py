"""A bug of ours ends a request as any failure does: once, in good order, and without a word about itself."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from proxy.errors import UpstreamRateLimited
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.sessions import FakeSessionStore
from proxy.testing.walk import path

Crashing = Callable[[str], AbstractContextManager[None]]


SECRET = "what only we should know"


@pytest.mark.parametrize("state", ["validate", "auth", "session", "upstream", "backoff", "tool_parse", "render"])
async def test_a_bug_in_what_a_state_uses(play: Play, crashing: Crashing, state: str) -> None:
    with crashing(state):
        x = await play(Upstream.fails(500), Upstream.answers("Hello."), stream=False)

    assert path(x).endswith(f"{state} internal_error")
    assert (x.status, x.code) == (500, "internal_error")
    assert SECRET not in x.body.decode()
    assert x.client.headers["x-request-id"] == x.exchange.request_id


async def test_a_bug_after_an_answer_was_told(play: Play, crashing: Crashing) -> None:
    with crashing("tool_parse"):
        x = await play(Upstream.answers("Hello."))

    assert path(x) == "validate auth session upstream stream tool_parse internal_error"
    assert (x.status, x.text, x.code, x.finish, x.done) == (200, "Hello.", "internal_error", None, False)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_bug_while_an_answer_comes(play: Play, stream: bool) -> None:
    x = await play(Upstream.answers("Hel").then_fails(RuntimeError(SECRET)), stream=stream)

    assert path(x) == f"validate auth session upstream {'stream' if stream else 'read'} internal_error"
    assert x.code == "internal_error"
    assert SECRET not in x.body.decode()


async def test_a_bug_while_another_candidate_goes_on(play: Play) -> None:
    x = await play(
        Upstream.answers("Hel").then_breaks(),
        fallbacks=[Upstream.fails(RuntimeError(SECRET))],
        model={"resume": True},
    )

    assert path(x) == "validate auth session upstream stream resume internal_error"
    assert (x.text, x.code) == ("Hel", "internal_error")


async def test_the_log_has_what_the_caller_is_not_told(
    play: Play, crashing: Crashing, capsys: pytest.CaptureFixture[str]
) -> None:
    with crashing("auth"):
        x = await play()

    told = capsys.readouterr().out
    assert SECRET in told
    assert x.exchange.request_id in told


async def test_an_error_that_a_state_does_not_know_is_a_bug(play: Play) -> None:
    """The table says what can happen; whatever else does is ours to mend."""
    x = await play(sessions=lambda clock: FakeSessionStore(clock, UpstreamRateLimited()))

    assert path(x) == "validate auth session internal_error"
    assert (x.status, x.code) == (500, "internal_error")
    assert x.exchange.failure.detail == "upstream_rate_limited in session"
