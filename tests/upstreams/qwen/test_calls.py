"""The calls as they are sent: paths, headers, times."""

import re

import pytest

from proxy.config import ConfigError
from proxy.errors import UpstreamRefused
from proxy.testing.qwen import Says
from tests.upstreams.qwen.conftest import CREDENTIAL

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
NEW, COMPLETE, STOP = "/api/v2/chats/new", "/api/v2/chat/completions", "/api/v2/chat/completions/stop"


async def test_a_chat_is_created_and_then_told_the_turn(connect, clock):
    line = await connect()
    answered = await line.ask()

    assert answered.text == "Answer 1."
    new, complete = line.site.received
    assert new.head.startswith(f"POST {NEW} HTTP/1.1")
    assert complete.head.startswith(f"POST {COMPLETE}?chat_id={line.site.chat.id} HTTP/1.1")
    assert complete.json["chat_id"] == line.site.chat.id
    assert new.json == {
        "title": "API chat",
        "models": ["qwen3-max"],
        "chat_mode": "guest",
        "chat_type": "t2t",
        "timestamp": int(clock.wall() * 1000),
    }
    assert complete.json["timestamp"] == complete.json["messages"][0]["timestamp"] == int(clock.wall())


async def test_every_call_goes_to_the_base_url_with_its_path(connect):
    """A base URL that some calls did not use led them to the real site."""
    line = await connect(site={"prefix": "/mirror/qwen"}, models="discover")
    line.adapter.offered()
    await line.adapter.settle_offers()
    line.site.answers(Says(ends="stall", after=2))
    call = await line.open()
    await call.receive()
    call.close()
    await line.site.call(4)

    paths = [each.head.split(" ")[1].partition("?")[0] for each in line.site.received]
    assert paths == [f"/mirror/qwen{path}" for path in ("/api/models", NEW, COMPLETE, STOP)]


async def test_a_slash_at_the_end_of_the_base_url_is_ignored(connect):
    line = await connect()
    line.adapter = (await connect(base_url=line.site.url + "/")).adapter
    await line.ask()

    assert line.site.received[0].head.startswith(f"POST {NEW} ")


async def test_the_headers_are_those_of_a_browser_that_is_logged_in(connect):
    line = await connect()
    await line.ask()

    for request, accept in zip(line.site.received, ("application/json", "text/event-stream"), strict=True):
        headers = request.headers
        assert headers["bx-umidtoken"] == CREDENTIAL["token"]
        assert headers["cookie"] == CREDENTIAL["cookies"]
        assert headers["user-agent"].startswith("Mozilla/5.0 ")
        assert headers["content-type"] == "application/json"
        assert headers["accept"] == accept


async def test_an_answer_in_one_piece_is_asked_for_as_json(connect):
    line = await connect(upstream_stream="match")
    answered = await line.ask(stream=False)

    assert answered.text == "Answer 1."
    assert line.site.completions[0]["stream"] is False
    assert line.site.received[-1].headers["accept"] == "application/json"


async def test_extra_headers_come_last_and_know_the_call(connect):
    line = await connect(
        token_header="x-token",
        extra_headers={
            "Referer": "{base_url}/c/{chat_id}",
            "X-Request-Id": "{uuid}",
            "source": "web",
            "user-agent": "Own/1.0",
            "accept": "",
        },
    )
    await line.ask()
    new, complete = (each.headers for each in line.site.received)

    assert complete["referer"] == f"{line.site.url}/c/{line.site.chat.id}"
    assert new["referer"] == f"{line.site.url}/c/"
    assert UUID4.fullmatch(new["x-request-id"])
    assert new["x-request-id"] != complete["x-request-id"]
    assert (new["source"], new.getall("user-agent")) == ("web", ["Own/1.0"])
    assert "accept" not in new
    assert (new["x-token"], "bx-umidtoken" in new) == (CREDENTIAL["token"], False)


async def test_the_callers_own_headers_are_never_forwarded(connect):
    line = await connect()
    await line.ask(user="somebody", metadata={"a": "b"})

    sent = {name.lower() for each in line.site.received for name in each.headers}
    assert sent == {
        "host",
        "bx-umidtoken",
        "cookie",
        "user-agent",
        "content-type",
        "accept",
        "accept-encoding",
        "content-length",
    }


async def test_what_has_no_counterpart_is_not_sent_but_named(connect):
    line = await connect()
    turn = line.turn(
        temperature=1, top_p=0.5, max_tokens=9, seed=1, response_format={"type": "json_object"}, stop=["x"]
    )

    assert set(turn.request.ignored_params) == {"temperature", "top_p", "max_tokens", "seed", "response_format"}
    await line.ask()
    assert set(line.site.completions[0]) == {
        "stream",
        "incremental_output",
        "chat_id",
        "chat_mode",
        "model",
        "parent_id",
        "messages",
        "timestamp",
    }


@pytest.mark.parametrize(
    ("chat_mode", "cookies", "sent"),
    [
        ("auto", "cna=1; token=abc", "normal"),
        ("auto", "cna=1; mytoken=abc; x=token", "guest"),
        ("guest", "token=abc", "guest"),
        ("normal", "cna=1", "normal"),
    ],
)
async def test_who_is_logged_in_is_told_by_the_cookies(connect, chat_mode, cookies, sent):
    line = await connect(chat_mode=chat_mode, credential={**CREDENTIAL, "cookies": cookies})
    await line.ask()

    assert (line.site.created[0]["chat_mode"], line.site.completions[0]["chat_mode"]) == (sent, sent)


@pytest.mark.parametrize(
    ("thinking", "effort", "thinks"),
    [
        ("off", "high", False),
        ("on", None, True),
        ("request", None, False),
        ("request", "none", False),
        ("request", "low", True),
    ],
)
async def test_thinking_is_on_as_configured(connect, thinking, effort, thinks):
    line = await connect(thinking=thinking)
    line.site.answers(Says("Yes.", thinking=("They", " ask")))
    asked = {} if effort is None else {"reasoning_effort": effort}
    answered = await line.ask(**asked)

    assert line.site.completions[0]["messages"][0]["feature_config"]["thinking_enabled"] is thinks
    assert (answered.reasoning, answered.text) == ("They ask" if thinks else "", "Yes.")
    ignored = line.turn(**asked).request.ignored_params
    assert ignored == (("reasoning_effort",) if asked and thinking != "request" else ())


async def test_the_title_is_the_operators_and_never_the_callers(connect):
    line = await connect(chat_title="Ours")
    await line.ask(("user", "My secret."))

    assert line.site.created[0]["title"] == "Ours"
    assert b"secret" not in line.site.received[0].body


async def test_the_operators_body_and_features_are_merged(connect):
    line = await connect(extra_body={"version": "2.1"}, feature_config={"output_schema": "other"})
    await line.ask()
    (body,) = line.site.completions

    assert body["version"] == "2.1"
    assert body["messages"][0]["feature_config"] == {"thinking_enabled": False, "output_schema": "other"}


async def test_the_clock_of_connecting_stops_once(connect):
    """Creating the chat and asking lie under the same clocks: a second stop would start `first_event` anew."""
    line = await connect()
    await line.ask()

    assert line.connected == 1


async def test_a_beginning_of_the_answer_is_refused(connect):
    """So that an answer to be resumed is asked anew, and not told twice."""
    line = await connect()

    with pytest.raises(UpstreamRefused):
        await line.open(prefill="It is")
    assert line.site.received == []


async def test_without_streaming_the_answer_is_always_streamed_upstream_unless_configured(connect):
    assert (await connect()).entry.always_streams
    assert not (await connect(upstream_stream="match")).entry.always_streams


@pytest.mark.parametrize(
    "credential",
    [
        {"mode": "static", "token": "t"},
        {"mode": "static", "cookies": "c"},
        {"mode": "managed"},
        {"mode": "managed", "path": "x", "token": "t", "cookies": "c"},
        {"mode": "none", "path": "x"},
        {"token": "t", "cookies": "c"},
        {"mode": "managed", "path": ""},
        {"mode": "managed", "path": 1},
    ],
)
async def test_a_credential_says_one_thing_whole(connect, credential):
    with pytest.raises(ConfigError):
        await connect(credential=credential)
