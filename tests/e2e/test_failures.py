"""What callers see when an upstream fails: as a status while nothing has left, inside the stream after that."""

import asyncio
from typing import Any, NamedTuple

import pytest

from proxy.config.script import UPSTREAM_CODES
from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.process import Daemon
from tests.e2e.configs import script_config
from tests.e2e.wire import Answer, ask, chat, connected, error_of, request

RETRY_AFTER_S = 3.2
COMMIT_S = 0.1


class Told(NamedTuple):
    """What a code is told as."""

    status: int
    type: str
    end_reason: str


SERVER, REQUEST = "server_error", "invalid_request_error"
TOLD = {
    "upstream_error": Told(502, SERVER, "upstream_error"),
    "upstream_unreachable": Told(502, SERVER, "upstream_error"),
    "upstream_disconnected": Told(502, SERVER, "upstream_error"),
    "upstream_truncated": Told(502, SERVER, "upstream_error"),
    "upstream_rejected": Told(502, SERVER, "upstream_error"),
    "upstream_protocol": Told(502, SERVER, "upstream_error"),
    "upstream_oversize": Told(502, SERVER, "upstream_error"),
    "upstream_challenge": Told(502, SERVER, "upstream_error"),
    "upstream_empty_answer": Told(502, SERVER, "upstream_error"),
    "upstream_auth_failed": Told(502, SERVER, "upstream_error"),
    "upstream_chat_lost": Told(502, SERVER, "upstream_error"),
    "upstream_unavailable": Told(503, SERVER, "upstream_error"),
    "upstream_busy": Told(503, SERVER, "upstream_error"),
    "session_store_unavailable": Told(503, SERVER, "upstream_error"),
    "session_lost": Told(409, "conflict_error", "conflict"),
    "upstream_rate_limited": Told(429, "rate_limit_error", "rate_limited"),
    "insufficient_quota": Told(429, "insufficient_quota", "rate_limited"),
    "invalid_value": Told(400, REQUEST, "invalid_request"),
    "context_length_exceeded": Told(400, REQUEST, "invalid_request"),
    "content_filter": Told(400, REQUEST, "invalid_request"),
    "model_not_found": Told(404, REQUEST, "invalid_request"),
    "invalid_api_key": Told(401, REQUEST, "unauthorized"),
    "model_not_allowed": Told(403, REQUEST, "unauthorized"),
    "upstream_timeout": Told(504, SERVER, "timeout"),
}
ONLY_BEFORE_AN_ANSWER = {"upstream_chat_lost", "session_lost", "invalid_api_key", "model_not_allowed"}
"""What has a way of its own as long as nothing of an answer has come; in mid-answer it is a plain failure."""


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    scripts: dict[str, list[Any]] = {}
    for code in UPSTREAM_CODES:
        fails = {"fail": code, "retry_after_s": RETRY_AFTER_S}
        scripts[code] = [fails]
        scripts[f"{code} late"] = [{"say": "Hel", "chunk": 0}, {"say": "lo", "chunk": 0}, fails]
        scripts[f"{code} slow"] = [{"pause_ms": 2.5 * COMMIT_S * 1000}, fails]
    scripts["cut"] = [{"say": "Hel", "chunk": 0}, {"cut": True}]
    return script_config(
        scripts,
        retry={"attempts": 1},
        clocks={"commit_headers_after": COMMIT_S, "heartbeat": COMMIT_S / 2},
        breaker={"failures": 1000},
    )


def check_headers_of_failure(answer: Answer, code: str) -> None:
    """The headers that steer a client's next step."""
    told = TOLD[code]
    assert answer.headers["x-end-reason"] == told.end_reason
    assert answer.headers["cache-control"] == "no-store"
    assert int(answer.headers["openai-processing-ms"]) >= 0
    final = told.status in (500, 502, 504) or code in ("insufficient_quota", "session_lost")
    assert answer.headers.get("x-should-retry") == ("false" if final else None)
    if told.status in (429, 503):
        assert answer.headers["retry-after"] == "4"
        assert answer.headers["retry-after-ms"] == "3200"
    else:
        assert "retry-after" not in answer.headers
    assert answer.headers.get("www-authenticate") == ("Bearer" if told.status == 401 else None)


def test_every_failure_that_an_upstream_can_have_is_here() -> None:
    """A new code must not go untested."""
    assert set(TOLD) == set(UPSTREAM_CODES)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_failure_before_anything_has_left_has_its_status(gateway: Daemon, *, stream: bool) -> None:
    """Also for a stream: its headers are held back until there is something to say."""
    answers = {code: await ask(gateway.url, "POST", "/", chat(model=code, stream=stream)) for code in TOLD}
    for code, answer in answers.items():
        told, error = TOLD[code], answer.error
        assert (answer.status, error["type"], error["code"]) == (told.status, told.type, code)
        check_headers_of_failure(answer, code)
        line = await gateway.logged(answer.headers["x-request-id"])
        assert (line["end_reason"], line["http_status"], line["code"]) == (told.end_reason, told.status, code)
        assert line["path"].endswith(f">{told.end_reason}")


async def answer_and_end(gateway: Daemon, model: str) -> Answer:
    """The answer to a streamed request, after which the connection must end."""
    asked = chat(model=model, stream=True, stream_options={"include_usage": True})
    async with connected(gateway.url) as connection:
        await connection.send(request("POST", "/", asked))
        answer = await connection.answer()
        assert await connection.ended(), model
    return answer


async def test_a_failure_after_text_has_left_is_told_inside_the_stream(gateway: Daemon) -> None:
    """A truncated answer must never look complete: no finish chunk, no usage, no `[DONE]`, and the connection ends."""
    answers = {code: await answer_and_end(gateway, f"{code} late") for code in TOLD}
    for code, answer in answers.items():
        told_code = "upstream_error" if code in ONLY_BEFORE_AN_ANSWER else code
        told, stream = TOLD[told_code], read_stream(answer.body)
        assert answer.status == 200
        assert text_of_stream(answer.body) == "Hello"
        assert not stream.done
        assert all(choice["finish_reason"] is None for chunk in stream.chunks for choice in chunk["choices"])
        assert all(chunk["usage"] is None for chunk in stream.chunks)
        error = error_of({"error": stream.error})
        assert (error["type"], error["code"]) == (told.type, told_code)
        line = await gateway.logged(answer.headers["x-request-id"])
        assert (line["end_reason"], line["http_status"], line["code"]) == (told.end_reason, 200, told_code)
        assert line["path"].endswith(f">upstream>stream>{told.end_reason}")


async def test_a_failure_after_the_headers_have_left_is_told_inside_the_stream(gateway: Daemon) -> None:
    """The wait was long, so that heartbeats had to begin; the status can't be taken back."""
    codes = ("upstream_error", "upstream_rate_limited", "context_length_exceeded", "upstream_timeout")
    asked = [ask(gateway.url, "POST", "/", chat(model=f"{code} slow", stream=True)) for code in codes]
    for code, answer in zip(codes, await asyncio.gather(*asked), strict=True):
        stream = read_stream(answer.body)
        assert (answer.status, stream.done, stream.chunks) == (200, False, ())
        assert stream.pings >= 1
        assert error_of({"error": stream.error})["code"] == code
        line = await gateway.logged(answer.headers["x-request-id"])
        assert line["path"] == f"validate>auth>session>upstream>{TOLD[code].end_reason}"


async def test_an_answer_that_is_not_streamed_keeps_its_status_however_long_it_takes(gateway: Daemon) -> None:
    """It is committed by nothing but its body."""
    answer = await ask(gateway.url, "POST", "/", chat(model="upstream_error slow"))
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")


async def test_a_connection_that_breaks_is_told_as_a_truncated_answer(gateway: Daemon) -> None:
    streamed = await ask(gateway.url, "POST", "/", chat(model="cut", stream=True))
    error = read_stream(streamed.body).error
    assert error is not None
    assert error["code"] == "upstream_truncated"
    whole = await ask(gateway.url, "POST", "/", chat(model="cut"))
    assert (whole.status, whole.error["code"]) == (502, "upstream_truncated")


async def test_messages_of_failures_name_no_address_and_no_traceback(gateway: Daemon) -> None:
    for code in TOLD:
        message = (await ask(gateway.url, "POST", "/", chat(model=code))).error["message"]
        assert len(message) <= 400
        for leak in ("http://", "127.0.0.1", "Traceback", "Error(", "File "):
            assert leak not in message
