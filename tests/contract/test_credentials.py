"""Managed credentials over real sockets: a token endpoint that fails, tokens that are refused, and who hears of it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from proxy.credentials.keeper import PAUSE_S
from proxy.testing.raw import DONE, Sleep, answers, error, event, finishes, says, sse
from proxy.testing.raw_server import RawServer
from proxy.testing.token_endpoint import FakeTokenEndpoint, Misbehaviour
from proxy.testing.walk import path
from tests.contract.faults import SHORT_S, SPARE_SAYS
from tests.contract.gateway import MAIN, SPARE, answer_text, attempts, expect_envelope, expect_frame, proves, serving
from tests.contract.table import Row

STREAMED = pytest.mark.parametrize("stream", [True, False])
COMMIT_S = 0.03
FAILS: Mapping[str, Misbehaviour] = {"K1a": Misbehaviour(status=500), "K1b": Misbehaviour(stalls=True)}
TOKEN_ERROR = event('{"error":{"message":"made up","code":"401"}}')


def managed(endpoint: FakeTokenEndpoint, **clocks: float) -> dict[str, Any]:
    """Settings of an upstream whose tokens come from *endpoint*."""
    return {"upstream": {"credential": {"mode": "managed", "token_url": endpoint.url}}, "clocks": clocks}


@proves(*FAILS)
@STREAMED
async def test_without_a_token_nothing_is_sent(row: Row, stream: bool) -> None:
    """Nor is the endpoint asked again for a while; the upstream's health hears nothing of it."""
    async with (
        RawServer(answers()) as upstream,
        FakeTokenEndpoint(FAILS[row.id], FAILS[row.id]) as endpoint,
        serving({MAIN: upstream.base_url}, **managed(endpoint, token=SHORT_S), breaker={"failures": 1}) as gateway,
    ):
        answer, x = await gateway.ask(stream=stream)
        expect_envelope(row, answer)
        again, _ = await gateway.ask(stream=stream)

        assert PAUSE_S > 1
        expect_envelope(row, again)
        assert (x.state, gateway.health()) == (row.ends, "ok")
        assert (len(upstream.received), len(endpoint.asked)) == (0, 1)
        assert path(x) == f"validate auth session upstream {row.ends}"


@proves(*FAILS)
async def test_without_a_token_it_is_told_alike_in_a_frame(row: Row) -> None:
    fault = Misbehaviour(status=FAILS[row.id].status, stalls=FAILS[row.id].stalls, delay_s=2 * COMMIT_S)
    clocks = {"token": 6 * COMMIT_S, "commit_headers_after": COMMIT_S}
    async with (
        RawServer(answers()) as upstream,
        FakeTokenEndpoint(fault) as endpoint,
        serving({MAIN: upstream.base_url}, **managed(endpoint, **clocks)) as gateway,
    ):
        answer, _ = await gateway.ask()

    expect_frame(row, answer)


@proves(*FAILS)
async def test_without_a_token_another_candidate_is_asked(row: Row) -> None:
    async with (
        RawServer(answers()) as upstream,
        RawServer((sse(), says(SPARE_SAYS), finishes(), DONE)) as spare,
        FakeTokenEndpoint(FAILS[row.id]) as endpoint,
        serving({MAIN: upstream.base_url, SPARE: spare.base_url}, **managed(endpoint, token=SHORT_S)) as gateway,
    ):
        answer, x = await gateway.ask()

    assert row.elsewhere
    assert answer_text(answer) == SPARE_SAYS
    assert len(attempts(x)) == 2


@proves("K2")
@STREAMED
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_renewed_over_sockets(row: Row, stream: bool, status: int) -> None:
    async with (
        RawServer((error(status),), answers()) as upstream,
        FakeTokenEndpoint() as endpoint,
        serving({MAIN: upstream.base_url}, **managed(endpoint), retry={"attempts": 1}) as gateway,
    ):
        answer, x = await gateway.ask(stream=stream)

    assert answer_text(answer) == "Hello."
    assert (x.state, endpoint.issued) == (row.ends, ["tok-1-secret", "tok-2-secret"])
    assert [call.headers["Authorization"] for call in upstream.received] == [
        "Bearer tok-1-secret",
        "Bearer tok-2-secret",
    ]


@proves("K2")
async def test_a_token_refused_inside_the_stream_is_renewed_as_well(row: Row) -> None:
    async with (
        RawServer((sse(), TOKEN_ERROR), answers()) as upstream,
        FakeTokenEndpoint() as endpoint,
        serving({MAIN: upstream.base_url}, **managed(endpoint)) as gateway,
    ):
        answer, _ = await gateway.ask()

    assert row.again
    assert answer_text(answer) == "Hello."
    assert len(endpoint.issued) == 2


@proves("K3a")
async def test_a_renewed_token_that_is_refused_puts_the_credential_aside(row: Row) -> None:
    async with (
        RawServer((error(401),)) as upstream,
        FakeTokenEndpoint() as endpoint,
        serving({MAIN: upstream.base_url}, **managed(endpoint)) as gateway,
    ):
        answer, x = await gateway.ask()
        expect_envelope(row, answer)

        assert (x.state, gateway.health()) == (row.ends, row.breaker)
        assert (len(upstream.received), len(endpoint.issued)) == (2, 2)


@proves("K5")
async def test_a_late_refusal_is_answered_with_the_token_that_is_there(row: Row) -> None:
    """The slow one's token was replaced for the quick one's sake meanwhile."""
    slow = (Sleep(4 * SHORT_S), error(401))
    async with (
        RawServer(slow, (error(401),), answers("Quick."), answers("Slow.")) as upstream,
        FakeTokenEndpoint() as endpoint,
        serving({MAIN: upstream.base_url}, **managed(endpoint)) as gateway,
    ):
        first = asyncio.get_running_loop().create_task(gateway.ask())
        await upstream.call()
        await gateway.ask()
        answer, x = await first

        assert (x.state, answer_text(answer), len(endpoint.issued)) == (row.ends, "Slow.", 2)
        assert [call.headers["Authorization"][-8:-7] for call in upstream.received] == ["1", "1", "2", "2"]


@proves("K2")
@pytest.mark.parametrize("recoveries", [0, 2])
async def test_how_often_is_configured(row: Row, recoveries: int) -> None:
    async with RawServer((error(401),)) as upstream, FakeTokenEndpoint() as endpoint:
        settings = managed(endpoint)
        settings["upstream"]["credential"]["recoveries"] = recoveries
        async with serving({MAIN: upstream.base_url}, **settings) as gateway:
            await gateway.ask()

    assert row.again
    assert len(upstream.received) == 1 + recoveries
