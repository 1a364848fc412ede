"""A base URL that the caller names: judged before anything else is done, told nowhere, and no word about the entry."""

import pytest

from proxy.testing.play import Play
from proxy.testing.raw import answers, error
from proxy.testing.raw_server import RawServer
from proxy.testing.script import Upstream
from proxy.testing.walk import path
from tests.contract.gateway import MAIN, SPARE, answer_text, attempts, serving

HEADER = "x-upstream-base-url"
ANY_LOCAL = {"enabled": True, "allow_hosts": ["*:*"], "allow_http": True, "allow_private": True}
HELLO = Upstream.answers("Hello.")
OPENAI = {"kind": "openai"}


@pytest.mark.parametrize("where", [{"headers": {HEADER: "https://x.test"}}, {"body": {"upstream_base_url": "https://x"}},
                                   {"body": {"upstream_api_base": "https://x.test"}}])  # fmt: skip
@pytest.mark.parametrize("kind", ["openai", "scripted"])
async def test_it_is_never_ignored_where_it_may_not_be_named(play: Play, where, kind):
    x = await play(HELLO, kind=kind, **where)

    assert path(x) == "validate invalid_request"
    assert (x.status, x.code, x.turns) == (400, "unsupported_parameter", [])


async def test_an_empty_one_is_none(play: Play):
    x = await play(HELLO, headers={HEADER: ""}, body={"upstream_base_url": ""})

    assert x.status == 200


async def test_the_call_goes_where_the_caller_wants_it_and_nothing_of_that_is_forwarded():
    async with (
        RawServer(answers("Own.")) as own,
        RawServer(answers("Other.")) as other,
        serving({MAIN: own.base_url}, upstream={"dynamic": ANY_LOCAL}) as gateway,
    ):
        answer, x = await gateway.ask(headers={HEADER: other.base_url}, upstream_base_url="https://body.test")

        assert answer_text(answer) == "Other."
        assert x.override.by == "dynamic"
        (received,) = other.received
        assert received.head.split()[1] == "/v1/chat/completions"
        assert HEADER not in received.headers
        assert not {"upstream_base_url", "upstream_api_base"} & received.json.keys()
        assert own.received == []

        answer, x = await gateway.ask()
        assert (answer_text(answer), x.override.by) == ("Own.", "default")


async def test_nothing_there_counts_for_the_entry_and_nobody_stands_in():
    async with (
        RawServer((error(500),)) as other,
        RawServer(answers()) as own,
        RawServer(answers()) as spare,
        serving(
            {MAIN: own.base_url, SPARE: spare.base_url},
            upstream={"dynamic": ANY_LOCAL},
            breaker={"failures": 1},
            retry={"attempts": 1},
        ) as gateway,
    ):
        answer, x = await gateway.ask(headers={HEADER: other.base_url})

        assert (answer.status, len(attempts(x))) == (502, 1)
        assert gateway.health() == "ok"
        assert spare.received == []


async def test_an_address_that_is_not_public_is_refused_without_a_connection():
    """It resolves to this host, which is judged before anything is connected."""
    policy = {**ANY_LOCAL, "allow_private": False}
    async with RawServer(answers()) as own, serving({MAIN: own.base_url}, upstream={"dynamic": policy}) as gateway:
        port = own.base_url.rpartition(":")[2]
        answer, x = await gateway.ask(headers={HEADER: f"http://localhost:{port}"})

        assert (answer.status, answer.error["param"]) == (400, "upstream_base_url")
        assert path(x) == "validate auth session upstream invalid_request"
        assert own.received == []


async def test_a_host_that_is_not_known_is_out_of_reach():
    async with (
        RawServer(answers()) as own,
        serving({MAIN: own.base_url}, upstream={"dynamic": ANY_LOCAL}, retry={"attempts": 1}) as gateway,
    ):
        answer, _ = await gateway.ask(headers={HEADER: "http://no-such-name.invalid:80"})

    assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")


async def test_a_connection_serves_its_own_origin_only():
    async with (
        RawServer(answers("One.")) as one,
        RawServer(answers("Two.")) as two,
        serving({MAIN: one.base_url}, upstream={"dynamic": ANY_LOCAL}) as gateway,
    ):
        for server in (one, two, one):
            answer, _ = await gateway.ask(headers={HEADER: server.base_url})
            assert answer_text(answer) == ("One." if server is one else "Two.")
