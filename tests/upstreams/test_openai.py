"""openai: what is sent to a server, and what its answers become."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.errors import (
    CredentialStale,
    InsufficientQuota,
    PassThroughDenied,
    PassThroughForbidden,
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
from proxy.wire.events import Finished, Opened, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta, Usage

Connect = Callable[..., Awaitable[Any]]
HELLO = Upstream.answers("Hel", "lo.").then_reports_usage(3, 4)
TOLD = [Opened({"id": "chatcmpl-upstream"}), TextDelta("Hel"), TextDelta("lo."), Usage(3, 4, 7), Finished("stop")]


def plain(events: list[StreamEvent]) -> list[StreamEvent]:
    """Without the unknown keys."""
    return [event._replace(extras=None) if hasattr(event, "extras") else event for event in events]


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


# --- what an answer becomes


async def test_a_stream_becomes_events(connect: Connect) -> None:
    line = await connect(HELLO)

    assert plain(await line.ask()) == TOLD
    assert line.connected == 1


async def test_pushed_or_pulled_it_is_the_same(connect: Connect) -> None:
    line = await connect(HELLO)

    assert plain(await line.flow()) == TOLD


@pytest.mark.parametrize("size", [5, 64])
async def test_where_its_bytes_are_cut_means_nothing(connect: Connect, size: int) -> None:
    line = await connect(Upstream.answers("Hellö.").in_pieces_of(size))

    assert text_of(await line.flow()) == "Hellö."


async def test_a_whole_answer_becomes_the_same_events(connect: Connect) -> None:
    line = await connect(HELLO)
    events = plain(await line.ask(stream=False))

    assert text_of(events) == "Hello."
    assert events[-2:] == [Usage(3, 4, 7), Finished("stop")]


async def test_calls_reasoning_and_choices_come_through(connect: Connect) -> None:
    script = Upstream.thinks("Hm.").then_says("One moment.").then_calls("now", {"zone": "UTC"}).then_says("B", choice=1)
    line = await connect(script)
    events = plain(await line.ask(n=2))

    assert ReasoningDelta("Hm.") in events
    assert ToolCallDelta(0, "call_0_0", "now", "") in events
    assert TextDelta("B", 1) in events
    assert events[-2:] == [Finished("tool_calls", 0), Finished("stop", 1)]


async def test_an_answer_is_known_by_what_it_is_not_by_what_was_asked_for(connect: Connect) -> None:
    """Many servers answer a stream in one piece, or the other way round."""
    line = await connect(HELLO.told_as("json"), HELLO.told_as("sse"))

    assert text_of(await line.ask(stream=True)) == "Hello."
    assert text_of(await line.ask(stream=False)) == "Hello."


@pytest.mark.parametrize("form", ["sse", "json"])
async def test_without_a_content_type_the_first_byte_tells(connect: Connect, form: str) -> None:
    line = await connect(HELLO.told_as(form, Content_Type=""))

    assert text_of(await line.ask()) == "Hello."


async def test_the_upstreams_own_id_is_kept(connect: Connect) -> None:
    line = await connect(HELLO)
    call = await line.open()
    await call.receive()

    assert call.request_id == "chatcmpl-upstream"
    call.close()


async def test_a_finish_without_an_end_mark_is_settled_when_the_connection_stays_open(connect: Connect) -> None:
    line = await connect(Upstream.answers("Hello.").then_finishes("length").then_stalls())
    call = await line.open()
    while not call.finishing:
        await call.receive()

    assert call.settle()[-1] == Finished("length")
    assert call.complete
    call.close()


# --- what goes wrong


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


# --- connections


async def test_a_connection_is_used_again(connect: Connect) -> None:
    line = await connect(HELLO)
    for _ in range(3):
        await line.ask()
        await line.ask(stream=False)

    assert (line.server.accepted, len(line.server.requests)) == (1, 6)


async def test_a_pooled_connection_that_has_died_is_replaced_unseen(connect: Connect) -> None:
    """The server's patience with idle connections was over; the call was never begun."""
    line = await connect(HELLO)
    await line.ask()
    line.server.drop_idle()
    assert text_of(await line.ask()) == "Hello."
    assert line.server.accepted == 2


async def test_also_when_it_dies_while_the_call_is_being_made(connect: Connect) -> None:
    line = await connect(HELLO, Upstream.breaks(), HELLO)
    await line.ask()

    assert text_of(await line.ask()) == "Hello."
    assert (line.server.accepted, len(line.server.requests)) == (2, 3)


async def test_only_what_was_taken_from_the_pool_is_replaced(connect: Connect) -> None:
    line = await connect(HELLO, Upstream.breaks())
    await line.ask()
    with pytest.raises(UpstreamDisconnected):
        await line.ask()

    assert len(line.server.requests) == 3


async def test_letting_go_of_an_unfinished_answer_ends_its_connection_at_once(connect: Connect) -> None:
    """That is how the upstream learns that nobody wants the rest."""
    line = await connect(Upstream.answers("Hel").then_stalls())
    call = await line.open()
    await call.receive()
    before = time.monotonic()
    call.close()
    received = await (await line.server.request()).end()

    assert received.gone_s is not None
    assert received.gone_s - before < 0.25


async def test_being_cancelled_while_connecting_or_waiting_leaves_nothing(connect: Connect) -> None:
    line = await connect(Upstream.stalls())
    task = asyncio.get_running_loop().create_task(line.ask())
    received = await line.server.request()
    task.cancel()
    await asyncio.wait({task})
    await received.end()

    assert received.gone_s is not None
    assert await drained(line.server)


async def test_an_answer_that_was_cut_by_us_is_not_pooled(connect: Connect) -> None:
    line = await connect(Upstream.answers("Hel").then_stalls(), HELLO)
    call = await line.open()
    await call.receive()
    call.close()
    await line.ask()

    assert line.server.accepted == 2


async def test_closing_twice_is_closing_once(connect: Connect) -> None:
    line = await connect(HELLO)
    call = await line.open()
    while not call.complete:
        await call.receive()
    call.close()
    call.close()
    await line.ask()

    assert text_of(await line.ask()) == "Hello."


async def test_a_pause_slows_the_sender_down_and_loses_nothing(connect: Connect) -> None:
    piece = "x" * 16_384
    line = await connect(Upstream.answers(*[piece] * 400))
    call = await line.open()
    heard: list[StreamEvent] = []

    def sip(events: Any) -> bool:
        heard.extend(events)
        return False

    await call.flow(sip)
    received = await line.server.request()
    await asyncio.sleep(0.05)
    sent = received.sent_bytes
    assert sent < 400 * 16_384, "the rest waits at the upstream"

    while not (call.complete or call.finishing):
        await call.flow(sip)
    call.close()
    assert text_of(heard) == piece * 400


async def drained(server: Any) -> bool:
    for _ in range(200):
        if not server.connections:
            return True
        await asyncio.sleep(0.005)
    return False


async def test_closing_the_adapter_closes_its_connections(connect: Connect) -> None:
    line = await connect(HELLO)
    await line.ask()
    await line.adapter.close()

    assert await drained(line.server)


# --- what is sent


async def sent(line: Any, **turn: Any) -> dict[str, Any]:
    await line.ask(**turn)
    body: dict[str, Any] = line.server.requests[-1].json
    return body


async def test_the_request_is_sent_as_it_came_but_for_the_model(connect: Connect) -> None:
    line = await connect(HELLO)
    body = await sent(line, temperature=0.5, store=True, made_up={"x": [1]}, seed=None)

    assert body == {
        "model": "big-7",
        "messages": [{"role": "user", "content": "Hi."}],
        "temperature": 0.5,
        "store": True,
        "made_up": {"x": [1]},
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert (line.server.requests[0].method, line.server.requests[0].path) == ("POST", "/v1/chat/completions")


async def test_a_whole_answer_is_asked_for_without_stream_options(connect: Connect) -> None:
    line = await connect(HELLO)
    body = await sent(line, stream=False)

    assert body["stream"] is False
    assert "stream_options" not in body


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_the_limit_of_tokens_has_the_name_that_the_upstream_knows(connect: Connect, field: str) -> None:
    line = await connect(HELLO, token_field=field)
    body = await sent(line, max_tokens=70)

    assert {name: body[name] for name in body if name.startswith("max_")} == {field: 70}


async def test_developer_messages_go_as_system_messages_where_that_role_is_unknown(connect: Connect) -> None:
    line = await connect(HELLO, developer_role=False)
    body = await sent(line, messages=[{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Hi."}])

    assert [message["role"] for message in body["messages"]] == ["system", "user"]


async def test_a_beginning_is_sent_as_the_models_own_words(connect: Connect) -> None:
    line = await connect(HELLO)
    body = await sent(line, prefill="Hel")

    assert body["messages"][-1] == {"role": "assistant", "content": "Hel"}


async def test_the_gateways_own_headers(connect: Connect) -> None:
    line = await connect(HELLO, credential={"mode": "static", "token": "sk-up", "headers": {"X-Org": "blue"}})
    await line.ask()
    headers = line.server.requests[0].headers

    assert headers["Authorization"] == "Bearer sk-up"
    assert headers["X-Org"] == "blue"
    assert headers["Content-Type"] == "application/json"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Host"] == f"127.0.0.1:{line.server.port}"
    assert "User-Agent" not in headers


CALLERS = {
    "Authorization": "Bearer sk-caller",
    "x-api-key": "sk-caller",
    "Cookie": "a=b",
    "Host": "gateway",
    "Connection": "x-hop, keep-alive",
    "x-hop": "1",
    "x-team": "blue",
    "traceparent": "00-1",
}


async def test_nothing_of_the_caller_is_forwarded_unasked(connect: Connect) -> None:
    line = await connect(HELLO)
    await line.ask(headers=CALLERS)
    headers = line.server.requests[0].headers

    assert not headers.keys() & {"Authorization", "x-api-key", "Cookie", "x-hop", "x-team", "traceparent"}
    assert headers["Host"] == f"127.0.0.1:{line.server.port}"


async def test_what_is_configured_is_forwarded(connect: Connect) -> None:
    line = await connect(HELLO, forward_headers=["x-team", "x-hop", "x-missing"])
    await line.ask(headers=CALLERS)
    headers = line.server.requests[0].headers

    assert headers["x-team"] == "blue"
    assert "x-hop" not in headers, "the caller's connection has claimed it"


@pytest.mark.parametrize("sent_as", [{"Authorization": "Bearer sk-caller"}, {"x-api-key": "sk-caller"}])
async def test_a_callers_own_key_is_passed_through_where_that_is_configured(
    connect: Connect, sent_as: dict[str, str]
) -> None:
    line = await connect(HELLO, credential={"mode": "pass_through"})
    await line.ask(headers=sent_as)

    assert line.server.requests[0].headers.getall("Authorization") == ["Bearer sk-caller"]
    assert "x-api-key" not in line.server.requests[0].headers


@pytest.mark.parametrize(("status", "error"), [(401, PassThroughDenied), (403, PassThroughForbidden)])
async def test_and_its_refusal_is_the_callers(connect: Connect, status: int, error: type[TurnstileError]) -> None:
    line = await connect(Upstream.fails(status), credential={"mode": "pass_through"})
    with pytest.raises(error):
        await line.ask(headers={"Authorization": "Bearer sk-caller"})


async def test_a_static_credential_is_never_stale(connect: Connect) -> None:
    """There is nothing to renew it with."""
    line = await connect(Upstream.fails(401), credential={"mode": "static", "token": "sk-up"})
    with pytest.raises(UpstreamAuthFailed) as refused:
        await line.ask()

    assert not isinstance(refused.value, CredentialStale)


async def test_one_callers_key_never_reaches_the_next_call(connect: Connect) -> None:
    line = await connect(HELLO, credential={"mode": "pass_through"})
    await line.ask(headers={"Authorization": "Bearer sk-caller"})
    await line.ask(headers={})

    assert "Authorization" not in line.server.requests[1].headers
