"""The header fields of requests and answers, each by what it promises."""

import re
from typing import Any

import pytest
from multidict import CIMultiDict

from proxy.testing.process import Daemon
from tests.e2e.configs import script_config
from tests.e2e.wire import Answer, ask, chat

ID = re.compile(r"req_[0-9a-f]{32}")


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    scripts: dict[str, list[Any]] = {"good": [{"say": "Hi"}], "bad": [{"fail": "upstream_error"}]}
    return script_config(scripts, retry={"attempts": 1})


async def every_kind_of_answer(gateway: Daemon, headers: dict[str, str]) -> list[Answer]:
    """One answer of every kind that there is: good ones, failures, refusals, those of the HTTP library."""
    ask_for = gateway.url
    return [
        await ask(ask_for, "POST", "/", chat(model="good"), headers),
        await ask(ask_for, "POST", "/", chat(model="good", stream=True), headers),
        await ask(ask_for, "POST", "/", chat(model="bad"), headers),
        await ask(ask_for, "POST", "/", chat(model="none"), headers),
        await ask(ask_for, "POST", "/", b"{", headers),
        await ask(ask_for, "POST", "/v1/completions", {"model": "good", "prompt": "Hi"}, headers),
        await ask(ask_for, "POST", "/", b"{}", headers | {"Content-Type": "text/plain"}),
        await ask(ask_for, "GET", "/", headers=headers),
        await ask(ask_for, "GET", "/nowhere", headers=headers),
        await ask(ask_for, "GET", "/v1/models", headers=headers),
        await ask(ask_for, "GET", "/v1/models/none", headers=headers),
        await ask(ask_for, "GET", "/livez", headers=headers),
        await ask(ask_for, "GET", "/health", headers=headers),
        await ask(ask_for, "GET", "/livez", headers=headers | {"Expect": "tea"}),
    ]


async def test_every_answer_has_a_request_id_and_the_time_it_took(gateway: Daemon) -> None:
    answers = await every_kind_of_answer(gateway, {})
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert all(ID.fullmatch(told) for told in ids)
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"\d+", answer.headers["openai-processing-ms"]) for answer in answers)


async def test_the_callers_own_request_id_is_kept(gateway: Daemon) -> None:
    """It joins the caller's log and ours."""
    for given in ("a", "A-1_b.c:d", "x" * 128):
        for answer in await every_kind_of_answer(gateway, {"x-request-id": given}):
            assert answer.headers.getall("x-request-id") == [given]


async def test_two_request_ids_are_none(gateway: Daemon) -> None:
    twice = CIMultiDict([("x-request-id", "a"), ("x-request-id", "b")])
    answer = await ask(gateway.url, "GET", "/livez", headers=twice)
    assert ID.fullmatch(answer.headers["x-request-id"])


async def test_no_field_comes_twice_and_none_tells_of_the_implementation(gateway: Daemon) -> None:
    for answer in await every_kind_of_answer(gateway, {"Origin": "https://chat.example.org"}):
        names = [name.lower() for name in answer.headers]
        assert len(names) == len(set(names))
        assert answer.headers["server"] == "turnstile"


async def test_the_end_reason_is_told_where_it_is_known(gateway: Daemon) -> None:
    """The end of a stream is not known as its headers leave."""
    told = [answer.headers.get("x-end-reason") for answer in await every_kind_of_answer(gateway, {})]
    assert told[:6] == ["done", None, "upstream_error", "invalid_request", "invalid_request", "done"]
    assert told[6:9] == ["invalid_request"] * 3
    assert (told[10], told[13]) == ("invalid_request", "invalid_request")


async def test_answers_are_not_stored_and_streams_are_not_buffered(gateway: Daemon) -> None:
    for answer in await every_kind_of_answer(gateway, {}):
        if answer.headers["content-type"] == "application/json":
            assert answer.headers["cache-control"] == "no-store"
            assert int(answer.headers["content-length"]) == len(answer.body)
            assert "x-accel-buffering" not in answer.headers
        else:
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert answer.headers["cache-control"] == "no-cache, no-transform"
            assert answer.headers["x-accel-buffering"] == "no"
            assert answer.headers["transfer-encoding"] == "chunked"
            assert "content-length" not in answer.headers
        assert "content-encoding" not in answer.headers
        assert "trailer" not in answer.headers


async def test_nothing_is_compressed_whatever_the_caller_takes(gateway: Daemon) -> None:
    """A compressed stream would be held back by the compressor."""
    for answer in await every_kind_of_answer(gateway, {"Accept-Encoding": "gzip, deflate, br", "TE": "trailers"}):
        assert "content-encoding" not in answer.headers
        assert "trailer" not in answer.headers


async def test_what_was_ignored_is_told(gateway: Daemon) -> None:
    ignored: dict[str, Any] = {
        "seed": 1,
        "logit_bias": {"1": 1},
        "made_up": True,
        "user": "u",
        "a b\r\nSet-Cookie: x": 1,
    }
    for stream in (False, True):
        answer = await ask(gateway.url, "POST", "/", chat(model="good", stream=stream, **ignored))
        told = answer.headers["x-ignored-params"].split(", ")
        assert {"seed", "logit_bias", "made_up", "user"} <= set(told)
        assert "set-cookie" not in answer.headers
        assert len(answer.headers["x-ignored-params"]) <= 512
    assert "x-ignored-params" not in (await ask(gateway.url, "POST", "/", chat(model="good"))).headers
    flood: dict[str, Any] = {f"unknown_{n}": n for n in range(500)}
    assert len((await ask(gateway.url, "POST", "/", chat(model="good", **flood))).headers["x-ignored-params"]) <= 512


async def test_the_upstreams_own_id_is_told(gateway: Daemon) -> None:
    for stream in (False, True):
        answer = await ask(gateway.url, "POST", "/", chat(model="good", stream=stream), {"x-request-id": "mine"})
        assert answer.headers["x-upstream-request-id"] == "scripted-mine"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x-session-id", [""]),
        ("x-session-id", ["a b"]),
        ("x-session-id", ["x" * 129]),
        ("x-session-id", ["a/b"]),
        ("x-session-id", ["a", "b"]),
        ("x-delivery", [""]),
        ("x-delivery", ["LIVE"]),
        ("x-delivery", ["fast"]),
        ("x-delivery", ["live", "assured"]),
    ],
)
async def test_a_field_of_ours_with_a_bad_value_is_refused_by_its_name(
    gateway: Daemon, name: str, values: list[str]
) -> None:
    headers = CIMultiDict([(name, value) for value in values])
    answer = await ask(gateway.url, "POST", "/", chat(model="good"), headers)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_value", name)


@pytest.mark.parametrize(
    ("name", "value"),
    [("x-session-id", "mine"), ("x-session-id", "new"), ("x-delivery", "live"), ("x-delivery", "assured")],
)
async def test_a_field_of_ours_with_a_good_value_is_taken(gateway: Daemon, name: str, value: str) -> None:
    for stream in (False, True):
        answer = await ask(gateway.url, "POST", "/", chat(model="good", stream=stream), {name: value})
        assert answer.status == 200
        line = await gateway.logged(answer.headers["x-request-id"])
        assert (">stream>" in line["path"]) == (stream and value != "assured")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; Charset=UTF-8", 'application/json;charset="utf-8"', "application/x+json"],
)
async def test_json_is_taken_however_it_is_declared(gateway: Daemon, content_type: str) -> None:
    body = b'{"model":"good","messages":[{"role":"user","content":"Hi"}]}'
    assert (await ask(gateway.url, "POST", "/", body, {"Content-Type": content_type})).status == 200
    assert (await ask(gateway.url, "POST", "/", body)).status == 200
    assert (await ask(gateway.url, "POST", "/", b"\xef\xbb\xbf" + body)).status == 200
    assert (await ask(gateway.url, "POST", "/", body, {"Content-Encoding": "identity"})).status == 200
