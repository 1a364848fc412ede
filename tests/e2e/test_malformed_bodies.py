"""Bodies that must be refused, all of them posted to one running daemon."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.malformed import MALFORMED, MALFORMED_ELSEWHERE, Malformed, plain_body, rich_body
from proxy.testing.process import Daemon
from tests.e2e.wire import Answer, ask, chat, connected, request

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
    said = "All the while, " * 25
    async with asyncio.TaskGroup() as group:
        stream = group.create_task(ask(gateway.url, "POST", "/v1/chat/completions", chat(said, stream=True)))
        posts = [group.create_task(post_all(gateway.url, numbered[start::CONNECTIONS])) for start in range(CONNECTIONS)]

    for number, case, answer in (each for post in posts for each in post.result()):
        error = answer.error
        assert (answer.status, error["code"], error["param"]) == (case.status, case.code, case.param), case.id
        assert error["type"] == "invalid_request_error", case.id
        assert len(error["message"]) <= 400, case.id
        assert answer.headers["x-request-id"] == f"case-{number}"
        assert answer.headers["x-end-reason"] == "invalid_request"
    assert text_of_stream(stream.result().body) == f"You said: {said}"
    assert read_stream(stream.result().body).done

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


FIELDS = sorted(rich_body("scripted"))
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["scripted", "user"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "role", "content"]), inner),
    max_leaves=6,
)


def damaged(body: dict[str, Any], path: list[int], value: Any) -> Any:
    """*body* with *value* at the place that *path* leads to: each number picks a member of what is there."""
    if not path or not isinstance(body, dict | list) or not body:
        return value
    keys: list[Any] = list(body) if isinstance(body, dict) else list(range(len(body)))
    key = keys[path[0] % len(keys)]
    body[key] = damaged(body[key], path[1:], value)
    return body


def damaged_bodies() -> st.SearchStrategy[bytes]:
    """Bytes, JSON that is no request, and a good request with something else in one place."""
    paths = st.lists(st.integers(0, 40), min_size=1, max_size=5)
    requests = st.builds(lambda path, value: damaged(rich_body("scripted"), path, value), paths, ANYTHING)
    return st.binary(max_size=60) | st.one_of(ANYTHING, requests, requests).map(
        lambda value: json.dumps(value).encode()
    )


async def check_any_body(gateway: Daemon, body: bytes) -> None:
    """Whatever the body is, it is answered or refused, and the refusal is well-formed."""
    answer = await ask(gateway.url, "POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    assert answer.status in (200, 400, 404)
    if answer.status != 200:
        assert answer.error["type"] == "invalid_request_error"
        assert answer.error["param"] is None or answer.error["param"].split(".")[0].split("[")[0] in FIELDS
        assert len(answer.error["message"]) <= 400


@settings(
    max_examples=150, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(body=damaged_bodies())
async def test_a_body_of_any_form_is_answered_or_refused_never_failed(gateway: Daemon, body: bytes) -> None:
    """Beyond what anybody thought of."""
    await check_any_body(gateway, body)


@pytest.mark.deep
@settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=damaged_bodies())
async def test_very_many_bodies_of_any_form_are_answered_or_refused(gateway: Daemon, body: bytes) -> None:
    await check_any_body(gateway, body)
