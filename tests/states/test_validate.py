"""validate: what is refused before anybody is asked anything."""

import pytest

from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.walk import path
from proxy.wire.answer import Surface


async def test_a_good_request_is_passed_on(play: Play) -> None:
    x = await play(Upstream.answers("Hello."))

    assert path(x) == "validate auth session upstream stream tool_parse render done"


@pytest.mark.parametrize(
    ("raw", "code"),
    [(b"", "invalid_json"), (b"{", "invalid_json"), (b"[]", "invalid_type"), (b'{"model": 7}', "invalid_type")],
)
async def test_a_body_that_cannot_be_read_is_refused(play: Play, raw: bytes, code: str) -> None:
    x = await play(raw=raw or b" ")

    assert path(x) == "validate invalid_request"
    assert (x.status, x.code) == (400, code)
    assert not x.client.closed, "the connection is in order"


async def test_a_body_over_the_limit_is_refused_and_the_connection_ends(play: Play) -> None:
    x = await play(raw=b"x" * 2000, server={"max_body_bytes": 1024})

    assert path(x) == "validate invalid_request"
    assert (x.status, x.code, x.client.closed) == (413, "request_too_large", True)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"Content-Type": "text/plain"}, "unsupported_content_type"),
        ({"Content-Encoding": "gzip"}, "unsupported_content_encoding"),
    ],
)
async def test_a_body_of_another_kind_is_refused(play: Play, header: dict[str, str], code: str) -> None:
    x = await play(headers=header)

    assert (x.status, x.code) == (415, code)


async def test_a_caller_who_breaks_off_in_the_body_is_told_nothing(play: Play) -> None:
    x = await play(breaks_off_in_body=True)

    assert path(x) == "validate client_abort"
    assert (x.status, x.body) == (None, b"")


async def test_a_full_house_is_told_before_the_body_is_read(play: Play) -> None:
    world = play.world(Upstream.answers("Hel").then_stalls(), server={"max_in_flight": 1, "max_queued": 0})
    first = world.begin()
    await first.until("stream")
    x = await world.begin(body_s=1000).end()

    assert path(x) == "validate overloaded"
    assert (x.status, x.code, x.clock.passed_s) == (503, "overloaded", 0)
    first.client.leave()
    await first.end()


async def test_the_id_of_the_request_is_on_every_answer(play: Play) -> None:
    for x in [await play(), await play(stream=False), await play(raw=b"{"), await play(Upstream.fails(400))]:
        assert x.client.headers["x-request-id"] == x.exchange.request_id


async def test_what_a_kind_ignores_is_named(play: Play) -> None:
    x = await play(body={"seed": 7, "store": True}, stream=False)

    assert x.client.headers["x-ignored-params"] == "seed, store"


async def test_the_session_id_in_the_header_beats_that_in_the_body(play: Play) -> None:
    x = await play(headers={"x-session-id": "one"}, body={"session_id": "two"})

    assert x.exchange.session_id == "one"


@pytest.mark.parametrize("stream", [True, False])
async def test_legacy_completions_are_answered_in_their_own_form(play: Play, *, stream: bool) -> None:
    x = await play(
        Upstream.answers("Hello."),
        surface=Surface.COMPLETIONS,
        raw=b'{"model": "demo", "prompt": "Hi.", "stream": %b}' % (b"true" if stream else b"false"),
    )

    told = x.chunks if stream else [x.json]
    assert {chunk["object"] for chunk in told} == {"text_completion"}
    assert "".join(chunk["choices"][0]["text"] for chunk in told) == "Hello."
    assert x.turns[0].request.messages == [{"role": "user", "content": "Hi."}]
