"""What goes wrong at the site, and what callers see of it."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.testing.clock import ManualClock
from proxy.testing.frames import read_stream
from proxy.testing.gateway import GatewayServer
from proxy.testing.qwen import QwenSite, Refuses, Says
from statechart.vocabulary import State
from tests.e2e.qwen.conftest import CREDENTIAL
from tests.e2e.wire import ask, connected, request


@pytest.mark.parametrize("answer", [Refuses.with_code("Not_Found"), Refuses(404, {})])
async def test_a_loss_of_a_chat_of_this_request_is_an_error(start, answer):
    daemon = await start()
    daemon.site.answers(answer)
    told = await daemon.ask("One?")

    assert (told.status, told.error["code"]) == (502, "upstream_chat_lost")
    assert len(daemon.site.created) == 1


async def test_a_second_loss_is_an_error(start):
    daemon = await start()
    one = await daemon.says("One?")
    daemon.site.answers(Refuses.with_code("Not_Found"), Refuses.with_code("Not_Found"))
    told = await daemon.ask("One?", one, "Two?")

    assert (told.status, told.error["code"]) == (502, "upstream_chat_lost")


ERRORS = [
    (Refuses(401, {}), 502, "upstream_auth_failed", 1),
    (Refuses.with_code("Unauthorized"), 502, "upstream_auth_failed", 1),
    (Refuses.page(), 502, "upstream_challenge", 1),
    (Refuses(302, b"", headers={"Location": "/"}), 502, "upstream_protocol", 1),
    (Refuses(200, b"hm", "text/plain"), 502, "upstream_protocol", 3),
    (Refuses(200, b"{"), 502, "upstream_protocol", 3),
    (Refuses(429, {}, headers={"retry-after": "3600"}), 429, "upstream_rate_limited", 1),
    (Refuses.with_code("RateLimited", "Daily.", num=4), 429, "insufficient_quota", 1),
    (Refuses.with_code("data_inspection_failed"), 400, "content_filter", 1),
    (Refuses(500, {}), 502, "upstream_error", 3),
    (Refuses.with_code("Strange"), 502, "upstream_rejected", 1),
    (Says(""), 502, "upstream_empty_answer", 3),
    (Says("", last={"error": {"code": "quota_limit"}}), 429, "insufficient_quota", 1),
    (Says(ends="eof", after=1), 502, "upstream_truncated", 3),
]


@pytest.mark.parametrize("case", ERRORS)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_before_output_has_its_status_and_is_tried_again_as_it_deserves(start, case, stream):
    """One rule for streamed answers and others: no stream was ever tried again, and no wait was ever made."""
    answer, status, code, calls = case
    daemon = await start()
    daemon.site.answers(*[answer] * 4)
    told = await daemon.ask("One?", stream=stream)

    assert (told.status, told.error["code"]) == (status, code)
    assert len(daemon.site.completions) == calls
    assert len(daemon.site.created) == 1, "a retry goes to the chat that the request has made"
    if code == "insufficient_quota" and isinstance(answer, Refuses):
        assert told.headers["retry-after"] == "14400"


async def test_after_output_it_is_the_same_code_in_a_frame(start):
    daemon = await start()
    daemon.site.answers(Says("It is", ends="eof", after=2), Says("It is", last={"error": {"code": "quota_limit"}}))

    for code in ("upstream_truncated", "insufficient_quota"):
        told = await daemon.ask("One?", stream=True)
        assert told.status == 200
        assert read_stream(told.body).error["code"] == code
        assert b"[DONE]" not in told.body
        assert b'"finish_reason":"' not in told.body


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - a state tells nobody that it was entered
            await asyncio.sleep(0.01)


async def test_a_busy_chat_is_asked_again_after_two_seconds_at_least():
    """The site needs a moment to notice that a turn has ended; asked again at once it only says so again."""
    clock = ManualClock()
    async with QwenSite() as site:
        config = {
            "auth": {"mode": "none"},
            "upstreams": [{"name": "s", "kind": "qwen", "base_url": site.url, "credential": CREDENTIAL}],
            "models": [{"id": "m", "upstream": "s"}],
            "retry": {"base_s": 0},
        }
        async with GatewayServer(config, clock=clock) as gateway:
            site.answers(Refuses.busy(), "Free.")
            body = {"model": "m", "messages": [{"role": "user", "content": "Hi."}]}
            async with connected(gateway.url) as caller:
                await caller.send(request("POST", "/", body))
                await site.call(2)
                (live,) = gateway.gateway.live
                await until(lambda: live.state is State.BACKOFF)
                await clock.advance(1.99)
                assert len(site.completions) == 1
                await clock.advance(0.3)
                answer = await caller.answer()

    assert answer.json["choices"][0]["message"]["content"] == "Free."
    assert len(site.created) == 1


async def test_a_credential_that_is_refused_is_the_operators_business_and_set_aside(start):
    """Told as 401, it makes the caller replace a good key."""
    daemon = await start(clock=ManualClock())
    daemon.site.answers(Refuses(401, {}))
    assert (await daemon.ask("One?")).status == 502
    assert (await ask(daemon.gateway.url, "GET", "/readyz")).json["credentials"] == {"site": "suspect"}
    calls = len(daemon.site.received)

    answer = await daemon.ask("One?")
    assert (answer.status, answer.error["code"]) == (503, "upstream_unavailable")
    assert len(daemon.site.received) == calls
    await daemon.clock.advance(60.0)
    assert (await ask(daemon.gateway.url, "GET", "/readyz")).json["credentials"] == {"site": "suspect"}
    assert (await daemon.ask("One?")).status == 200
    assert (await ask(daemon.gateway.url, "GET", "/readyz")).json == {"status": "ok", "credentials": {"site": "valid"}}


async def test_a_changed_file_ends_the_suspicion_at_once(start, tmp_path):
    path = tmp_path / "login.json"
    path.write_text('{"token": "t1", "cookies": "c=1", "expires_at": null}')
    daemon = await start(clock=ManualClock(), credential={"mode": "managed", "path": str(path)})
    daemon.site.answers(Refuses.page())
    assert (await daemon.ask("One?")).status == 502
    path.write_text('{"token": "another", "cookies": "c=1", "expires_at": null}')
    await daemon.clock.advance(1.0)

    assert (await daemon.ask("One?")).status == 200
    assert daemon.site.received[-1].headers["bx-umidtoken"] == "another"


async def test_without_a_credential_the_daemon_starts_and_says_what_is_missing(start):
    daemon = await start(credential=None)
    answer = await daemon.ask("One?")

    assert (answer.status, answer.error["code"]) == (503, "upstream_unavailable")
    assert "absent" in answer.error["message"]
    ready = await ask(daemon.gateway.url, "GET", "/readyz")
    assert (ready.status, ready.json["credentials"]) == (200, {"site": "absent"})
    health = await ask(daemon.gateway.url, "GET", "/health")
    assert health.json["upstreams"] == [{"name": "site", "kind": "qwen", "state": "ok", "credential": "absent"}]
    assert daemon.site.received == []


async def test_a_reload_keeps_a_login_whose_file_is_half_written(start, tmp_path):
    path = tmp_path / "login.json"
    path.write_text('{"token": "t1", "cookies": "c=1", "expires_at": null}')
    daemon = await start(credential={"mode": "managed", "path": str(path)})
    path.write_text('{"token": "t2", "coo')
    daemon.gateway.gateway.reload(daemon.gateway.settings)

    assert await daemon.says("One?") == "Answer 1."
    assert daemon.site.received[-1].headers["bx-umidtoken"] == "t1"
