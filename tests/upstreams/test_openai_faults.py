"""openai: what a server's failures become."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.errors import (
    InsufficientQuota,
    TurnstileError,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamChallenge,
    UpstreamContentFiltered,
    UpstreamContextLength,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamModelNotFound,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRedirected,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from proxy.testing.script import Upstream
from proxy.wire.events import StreamEvent, TextDelta

Connect = Callable[..., Awaitable[Any]]
HELLO = Upstream.answers("Hel", "lo.").then_reports_usage(3, 4)


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, None, UpstreamRefused),
        (400, "context_length_exceeded", UpstreamContextLength),
        (400, "content_filter", UpstreamContentFiltered),
        (401, None, UpstreamAuthFailed),
        (402, None, InsufficientQuota),
        (403, None, UpstreamAuthFailed),
        (404, None, UpstreamModelNotFound),
        (408, None, UpstreamBusy),
        (409, None, UpstreamBusy),
        (413, None, UpstreamRefused),
        (418, None, UpstreamRejected),
        (422, None, UpstreamRefused),
        (425, None, UpstreamBusy),
        (429, None, UpstreamRateLimited),
        (429, "insufficient_quota", InsufficientQuota),
        (500, None, UpstreamFailed),
        (501, None, UpstreamRejected),
        (503, None, UpstreamFailed),
        (520, None, UpstreamFailed),
        (529, None, UpstreamFailed),
    ],
)
async def test_a_status_becomes_a_typed_error(
    connect: Connect, *, status: int, code: str | None, error: type[TurnstileError]
) -> None:
    line = await connect(Upstream.fails(status, code=code))
    with pytest.raises(error) as failed:
        await line.ask()

    assert type(failed.value) is error
    assert failed.value.upstream_status == status


async def test_retry_after_is_read(connect: Connect) -> None:
    line = await connect(Upstream.fails(429, headers={"Retry-After": "7"}))
    with pytest.raises(UpstreamRateLimited) as limited:
        await line.ask()

    assert limited.value.retry_after_s == 7


async def test_a_connection_serves_again_after_a_refusal(connect: Connect) -> None:
    line = await connect(Upstream.fails(400), HELLO)
    with pytest.raises(UpstreamRefused):
        await line.ask()
    await line.ask()

    assert line.server.accepted == 1


async def test_nobody_listens(connect: Connect) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    line = await connect(base_url=f"http://127.0.0.1:{port}/v1")
    with pytest.raises(UpstreamUnreachable) as failed:
        await line.ask()

    assert line.connected == 0
    assert str(port) not in failed.value.message


@pytest.mark.parametrize("how", [Upstream.breaks(), Upstream().then_ends()], ids=["reset", "end"])
async def test_a_connection_that_ends_before_anything_has_come(connect: Connect, how: Upstream) -> None:
    line = await connect(how)
    with pytest.raises(UpstreamDisconnected):
        await line.ask()
    assert len(line.server.requests) == 1, "it was a fresh one, and is not replaced unseen"


@pytest.mark.parametrize("read", ["ask", "flow"])
@pytest.mark.parametrize("how", [Upstream.then_breaks, Upstream.then_ends], ids=["reset", "end"])
async def test_an_answer_that_breaks_off(connect: Connect, how: Callable[[Upstream], Upstream], read: str) -> None:
    line = await connect(how(Upstream.answers("Hel").then_waits(0.02)))
    with pytest.raises(UpstreamTruncated):
        await getattr(line, read)()


async def test_what_came_before_a_break_is_given_on(connect: Connect) -> None:
    line = await connect(Upstream.answers("Hel", "lo").then_waits(0.02).then_breaks())
    call = await line.open()
    heard: list[StreamEvent] = []

    def sink(events: Any) -> bool:
        heard.extend(events)
        return True

    with pytest.raises(UpstreamTruncated):
        await call.flow(sink)
    call.close()
    assert text_of(heard) == "Hello"


async def test_a_body_that_is_shorter_than_it_says_has_broken_off(connect: Connect) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"
    line = await connect(Upstream.speaks(whole))
    with pytest.raises(UpstreamTruncated):
        await line.ask(stream=False)


async def test_a_redirect_is_never_followed(connect: Connect) -> None:
    other = await connect(HELLO)
    line = await connect(Upstream.fails(307, headers={"Location": other.server.base_url}))
    with pytest.raises(UpstreamRedirected):
        await line.ask()

    assert other.server.accepted == 0


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (Upstream.sends(b"<html>Log in").then_ends().told_as("sse", Content_Type="text/html"), UpstreamChallenge),
        (Upstream.sends(b"<html>Log in").then_ends().told_as("sse", Content_Type=""), UpstreamChallenge),
        (Upstream.sends(b"hello").then_ends().told_as("sse", Content_Type="text/plain"), UpstreamProtocolError),
        (Upstream.sends(b"{}").then_ends().told_as("sse", Content_Type="application/json"), UpstreamProtocolError),
        (Upstream.sends(b"data: {oops\n\n").then_ends(), UpstreamProtocolError),
        (Upstream.speaks(b"SSH-2.0-OpenSSH_9.2\r\n"), UpstreamProtocolError),
        (Upstream.speaks(b"HTTP/1.1 two hundred\r\n\r\n"), UpstreamProtocolError),
        (Upstream.speaks(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 600_000 + b"\r\n\r\n"), UpstreamProtocolError),
    ],
    ids=["page", "untyped page", "text", "no completion", "bad chunk", "ssh", "bad status", "large head"],
)
async def test_what_is_no_answer_is_not_taken_for_one(
    connect: Connect, script: Upstream, error: type[TurnstileError]
) -> None:
    line = await connect(script)
    with pytest.raises(error):
        await line.ask()


async def test_an_error_with_status_200_is_an_error(connect: Connect) -> None:
    body = b'{"error": {"message": "busy", "code": 429}}'
    line = await connect(Upstream.sends(body).then_ends().told_as("sse", Content_Type="application/json"))
    with pytest.raises(UpstreamRateLimited):
        await line.ask()


async def test_an_error_inside_a_stream_is_an_error(connect: Connect) -> None:
    line = await connect(Upstream.answers("Hel").then_fails(429))
    with pytest.raises(UpstreamRateLimited):
        await line.flow()


async def test_an_event_over_the_limit(connect: Connect) -> None:
    line = await connect(Upstream.answers("x" * 2000), server={"max_event_bytes": 1024})
    with pytest.raises(UpstreamOversize):
        await line.ask()


async def test_a_whole_answer_over_the_limit(connect: Connect) -> None:
    line = await connect(Upstream.answers("x" * 2000), server={"max_answer_bytes": 1024})
    with pytest.raises(UpstreamOversize):
        await line.ask(stream=False)


async def test_a_flood_of_an_error_is_not_read_to_its_end(connect: Connect) -> None:
    flood = Upstream().then_sends(b"x" * 1_000_000).then_sends(b"x" * 1_000_000).then_stalls()
    line = await connect(flood.told_as("sse", status=500, Content_Type="text/plain"))
    with pytest.raises(UpstreamFailed):
        await asyncio.wait_for(line.ask(), 2)
