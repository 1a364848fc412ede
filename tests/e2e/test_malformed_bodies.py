"""Bodies that must be refused, all of them posted to one running daemon."""

import asyncio
from collections.abc import Sequence

import pytest

from proxy.testing.malformed import MALFORMED, MALFORMED_ELSEWHERE, Malformed, plain_body, rich_body
from proxy.testing.process import Daemon
from tests.e2e.wire import Answer, ask, chat, connected, frames_of, request, text_of

CASES = [*MALFORMED, *MALFORMED_ELSEWHERE]
CONNECTIONS = 8


async def post_all(url: str, cases: Sequence[tuple[int, Malformed]]) -> list[tuple[int, Malformed, Answer]]:
    """Post the cases one after another on one connection; a refusal must leave it usable."""
    answers = []
    async with connected(url) as connection:
        for number, case in cases:
            headers = {"Content-Type": "application/json", "x-request-id": f"case-{number}"}
            await connection.send(request("POST", "/v1/chat/completions", case.raw, headers))
            answers.append((number, case, await connection.answer()))
    return answers


async def test_every_malformed_body_is_refused_by_its_field_while_others_go_on_undisturbed(gateway: Daemon) -> None:
    """A caller's mistake is never told as ours, always names its place, and is nobody else's trouble."""
    assert len(CASES) >= 500
    numbered = list(enumerate(CASES))
    said = "All the while, " * 40
    stream, *answered = await asyncio.gather(
        ask(gateway.url, "POST", "/v1/chat/completions", chat(said, stream=True)),
        *(post_all(gateway.url, numbered[start::CONNECTIONS]) for start in range(CONNECTIONS)),
    )

    for number, case, answer in (each for batch in answered for each in batch):
        error = answer.error
        assert (answer.status, error["code"], error["param"]) == (case.status, case.code, case.param), case.id
        assert error["type"] == "invalid_request_error", case.id
        assert len(error["message"]) <= 400, case.id
        assert answer.headers["x-request-id"] == f"case-{number}"
        assert answer.headers["x-end-reason"] == "invalid_request"
    assert text_of(stream.body) == f"You said: {said}"
    assert frames_of(stream.body)[-1] == "[DONE]"

    await gateway.logged("case-0")
    for number, case in numbered:
        line = await gateway.logged(f"case-{number}")
        assert len(gateway.lines(request_id=f"case-{number}")) == 1
        assert (line["end_reason"], line["http_status"]) == ("invalid_request", case.status)
        assert (line["code"], line["param"]) == (case.code, case.param)
        assert line["path"] == "validate>invalid_request"


@pytest.mark.parametrize("body", [plain_body("scripted"), rich_body("scripted")], ids=["plain", "rich"])
async def test_the_bodies_are_good_before_they_are_broken(gateway: Daemon, body: dict[str, object]) -> None:
    """Or else the refusals above would prove nothing."""
    answer = await ask(gateway.url, "POST", "/v1/chat/completions", body)
    assert answer.status == 200
