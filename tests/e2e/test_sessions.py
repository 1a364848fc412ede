"""Conversations as a caller sees them: an id on every answer, and what may be done with it."""

from typing import Any

import pytest

from proxy.testing.gateway import GatewayServer
from tests.e2e.wire import Answer, Json, ask, chat

CONFIG = {
    "upstreams": [{"name": "scripted", "kind": "scripted"}, {"name": "plain", "base_url": "http://127.0.0.1:9/v1"}],
    "models": [{"id": "scripted", "upstream": "scripted"}, {"id": "other", "upstream": "scripted"}],
}
OPEN = {**CONFIG, "auth": {"mode": "none"}}
KEYS = {**CONFIG, "auth": {"keys": [{"name": name, "key": f"sk-{name}"} for name in ("ann", "bob")]}}
ANN, BOB = ({"Authorization": f"Bearer sk-{name}"} for name in ("ann", "bob"))


def text_of(answer: Answer) -> str:
    return str(answer.json["choices"][0]["message"]["content"])


def again(asked: Json, answer: Answer, text: str) -> Json:
    """The next turn of a client that sends everything."""
    said = {"role": "assistant", "content": text_of(answer)}
    return {**asked, "messages": [*asked["messages"], said, {"role": "user", "content": text}]}


async def test_the_id_is_stable_through_a_conversation() -> None:
    async with GatewayServer(OPEN) as gateway:
        first_turn = chat("Hello.")
        first = await ask(gateway.url, "POST", "/", first_turn)
        second = await ask(gateway.url, "POST", "/", again(first_turn, first, "And now?"))
        other = await ask(gateway.url, "POST", "/", chat("Hello."))

    assert first.headers["x-session-id"] == second.headers["x-session-id"] != other.headers["x-session-id"]
    assert text_of(second) == "You said, in turn 2: And now?"
    assert [x.conversation.status for x in gateway.ended] == ["new", "hit", "new"]
    assert "session_id" not in first.json


async def test_a_stream_carries_it_as_well() -> None:
    """It is ours, and so it is known before the first byte."""
    async with GatewayServer(OPEN) as gateway:
        answer = await ask(gateway.url, "POST", "/", chat("Hello.", stream=True), {"x-session-id": "mine"})

    assert answer.headers["x-session-id"] == "mine"


async def test_an_upstream_that_keeps_nothing_has_none() -> None:
    config = {**OPEN, "models": [{"id": "plain", "upstream": "plain"}], "retry": {"attempts": 1}}
    async with GatewayServer(config) as gateway:
        answer = await ask(gateway.url, "POST", "/", chat(model="plain"), {"x-session-id": "mine"})

    assert "x-session-id" not in answer.headers
    assert gateway.ended[0].conversation.status == "none"


async def test_the_body_tells_it_where_that_is_asked_for() -> None:
    async with GatewayServer({**OPEN, "session": {"echo_in_body": True}}) as gateway:
        answer = await ask(gateway.url, "POST", "/", chat(), {"x-session-id": "mine"})

    assert answer.json["session_id"] == "mine"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({}, {"x-session-id": "mine"}),
        ({"session_id": "mine"}, {}),
        ({"metadata": {"session_id": "mine"}}, {}),
        ({"session_id": "other", "metadata": {"session_id": "third"}}, {"x-session-id": "mine"}),
        ({"session_id": "mine", "metadata": {"session_id": "other"}}, {}),
    ],
)
async def test_an_id_may_be_given_in_three_places(body: Json, headers: dict[str, str]) -> None:
    async with GatewayServer(OPEN) as gateway:
        answer = await ask(gateway.url, "POST", "/", {**chat(), **body}, headers)

    assert answer.headers["x-session-id"] == "mine"


async def test_only_what_is_new_may_be_sent_under_an_id() -> None:
    async with GatewayServer(OPEN) as gateway:
        for number, text in enumerate(("One.", "Two.", "Three."), start=1):
            answer = await ask(gateway.url, "POST", "/", chat(text), {"x-session-id": "mine"})
            assert text_of(answer).endswith(text)
            assert (number == 1) == ("in turn" not in text_of(answer))


async def test_new_begins_another_conversation() -> None:
    async with GatewayServer(OPEN) as gateway:
        answers = [await ask(gateway.url, "POST", "/", chat(), {"x-session-id": "new"}) for _ in range(2)]

    assert len({answer.headers["x-session-id"] for answer in answers} | {"new"}) == 3


# --- lists of them


async def sessions(gateway: GatewayServer, headers: dict[str, str], method: str = "GET", name: str = "") -> Answer:
    return await ask(gateway.url, method, f"/v1/sessions{name}", None, headers)


async def test_a_caller_lists_shows_and_deletes_its_own() -> None:
    async with GatewayServer(KEYS) as gateway:
        for name in ("one", "two"):
            await ask(gateway.url, "POST", "/", chat(), {**ANN, "x-session-id": name})
        await ask(gateway.url, "POST", "/", chat("Go on."), {**ANN, "x-session-id": "two"})

        listed = (await sessions(gateway, ANN)).json
        assert listed["object"] == "list"
        assert [each["id"] for each in listed["data"]] == ["two", "one"]
        shown = (await sessions(gateway, ANN, name="/two")).json
        assert shown == listed["data"][0]
        assert shown | {"created": 0, "last_used": 0} == {
            "id": "two",
            "object": "session",
            "model": "scripted",
            "upstream": "scripted",
            "turns": 2,
            "created": 0,
            "last_used": 0,
        }
        deleted = await sessions(gateway, ANN, "DELETE", "/two")
        assert deleted.json == {"id": "two", "object": "session.deleted", "deleted": True}
        assert (await sessions(gateway, ANN, name="/two")).error["code"] == "session_not_found"
        assert [each["id"] for each in (await sessions(gateway, ANN)).json["data"]] == ["one"]


async def test_a_deleted_conversation_is_not_gone_on_with() -> None:
    async with GatewayServer(OPEN) as gateway:
        asked = chat("Hello.")
        first = await ask(gateway.url, "POST", "/", asked)
        await sessions(gateway, {}, "DELETE", f"/{first.headers['x-session-id']}")
        second = await ask(gateway.url, "POST", "/", again(asked, first, "And now?"))

    assert [x.conversation.status for x in gateway.ended] == ["new", "replay"]
    assert second.headers["x-session-id"] != first.headers["x-session-id"]


async def test_all_of_a_callers_own_can_be_deleted_and_nobody_elses() -> None:
    async with GatewayServer(KEYS) as gateway:
        for headers in (ANN, ANN, BOB):
            await ask(gateway.url, "POST", "/", chat(), headers)
        assert (await sessions(gateway, ANN, "DELETE")).json == {"object": "session.deleted", "deleted": 2}

        assert (await sessions(gateway, ANN)).json["data"] == []
        assert len((await sessions(gateway, BOB)).json["data"]) == 1


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_conversation_of_somebody_else_is_not_there(method: str) -> None:
    """Nor does anything tell that somebody has it."""
    async with GatewayServer(KEYS) as gateway:
        await ask(gateway.url, "POST", "/", chat(), {**ANN, "x-session-id": "mine"})
        of_another = await sessions(gateway, BOB, method, "/mine")
        of_nobody = await sessions(gateway, BOB, method, "/mind")

        assert (of_another.status, of_another.error["code"]) == (404, "session_not_found")
        assert of_another.error["message"].replace("mine", "mind") == of_nobody.error["message"]
        assert len((await sessions(gateway, ANN)).json["data"]) == 1


async def test_a_key_is_needed() -> None:
    async with GatewayServer(KEYS) as gateway:
        for method, name in (("GET", ""), ("GET", "/x"), ("DELETE", ""), ("DELETE", "/x")):
            assert (await sessions(gateway, {}, method, name)).error["code"] == "invalid_api_key"


async def test_another_model_is_another_conversation_under_the_same_id() -> None:
    """What one model's upstream was told, another's does not know."""
    async with GatewayServer(OPEN) as gateway:
        mine: dict[str, Any] = {"x-session-id": "mine"}
        await ask(gateway.url, "POST", "/", chat("One."), mine)
        await ask(gateway.url, "POST", "/", chat("Two.", model="other"), mine)

    assert [x.conversation.status for x in gateway.ended] == ["new", "new"]
