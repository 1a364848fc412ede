"""Sessions of the site: begun, continued, branched, lost and told again."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from proxy.clock import LoopClock
from proxy.sessions.memory import MemoryStore
from proxy.testing.gateway import GatewayServer
from proxy.testing.mix_site import DONE, FINISH, Event, MixSite, Script, Stall, delta
from proxy.testing.token_endpoint import FakeTokenEndpoint
from tests.upstreams.mix.world import Caller, settings, world

CHAINS = pytest.mark.parametrize("chain", ["session", "exchange"])


@CHAINS
async def test_a_session_is_begun_and_continued(chain):
    async with world(chain=chain) as (caller, site):
        await caller.says("One?")
        await caller.says("Two?")
        await caller.says("Three?")
    first, second, third = site.turns

    assert "session_id" not in first.body
    assert [turn.session for turn in site.turns] == ["sess-1"] * 3
    assert (second.body["exchange_id"], third.body["exchange_id"]) == ("exch-1", "exch-2")
    assert [turn.query for turn in site.turns] == ["One?", "Two?", "Three?"], "only what is new"
    assert third.body["messages"] == [{"role": "user", "content": "Three?"}]
    assert caller.answer.headers["x-session-id"].startswith("sess_")


@CHAINS
async def test_a_turn_asked_again_branches_where_the_site_can(chain):
    async with world(chain=chain) as (caller, site):
        await caller.says("One?")
        await caller.says("Two?")
        caller.messages = caller.messages[:2]
        await caller.says("Other two?")
    last = site.turns[-1]

    if chain == "exchange":
        assert (last.session, last.parent, last.query) == ("sess-1", "exch-1", "Other two?")
    else:
        assert (last.session, "session_id" in last.body) == ("sess-2", False)
        assert "[Conversation so far]" in last.query


@CHAINS
async def test_a_lost_session_is_told_again_once_and_unseen(chain):
    async with world(chain=chain) as (caller, site):
        await caller.says("One?")
        site.forget()
        assert await caller.says("Two?") == "Hello."
    last = site.turns[-1]

    assert "session_id" not in last.body
    assert "User: One?" in last.query
    assert len(site.turns) == 2


async def test_a_session_that_is_lost_again_is_told():
    lost = Script(steps=(Event({"type": "error", "errorText": "session expired", "error": {"status": 404}}),))
    async with world(Script(), lost) as (caller, _):
        await caller.says("One?")
        caller.messages.append({"role": "user", "content": "Two?"})
        answer = await caller.sends()

    assert answer.status in (404, 502)


async def test_two_callers_never_meet():
    """Two users of one key have one caller each only if it says so; two histories are two sessions all the same."""
    async with world() as (one, site):
        other = Caller(one.gateway)
        await one.says("Same words.")
        await other.says("Same words.")

    assert [turn.session for turn in site.turns] == ["sess-1", "sess-2"]


async def test_another_persona_is_another_conversation():
    async with world() as (caller, site):
        await caller.says("One?", headers={"x-persona-id": "p-1"})
        await caller.says("Two?", persona_id="p-2")
        await caller.says("Three?", headers={"x-persona-id": "p-2"})

    assert [turn.session for turn in site.turns] == ["sess-1", "sess-2", "sess-2"]
    assert [turn.body["request"].get("persona_id") for turn in site.turns] == ["p-1", "p-2", "p-2"]


@pytest.mark.parametrize("fields", [{"persona_id": "p"}, {"personaId": "p"}, {"request": {"persona_id": "p"}}])
async def test_a_persona_may_stand_anywhere(fields):
    async with world(upstream={"persona": "own"}) as (caller, site):
        await caller.says("One?", **fields)
        await caller.says("Two?")

    assert [turn.body["request"]["persona_id"] for turn in site.turns] == ["p", "own"]


@pytest.mark.parametrize(
    ("allow", "persona", "code"),
    [(True, "a b", "invalid_value"), (True, "x" * 129, "invalid_value"), (False, "p", "unsupported_parameter")],
)
async def test_a_persona_that_can_not_be(allow, persona, code):
    async with world(upstream={"allow_persona": allow}) as (caller, site):
        caller.messages = [{"role": "user", "content": "Hi."}]
        answer = await caller.sends(headers={"x-persona-id": persona})

    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, code, "x-persona-id")
    assert site.turns == []


async def test_a_session_of_one_base_is_never_used_at_another():
    dynamic = {"enabled": True, "allow_hosts": ["*:*"], "allow_http": True, "allow_private": True}
    async with MixSite() as other, world(upstream={"dynamic": dynamic}) as (caller, site):
        await caller.says("One?")
        await caller.says("Two?", headers={"x-upstream-base-url": other.base_url})
        await caller.says("Three?", upstream_base_url=other.base_url)

    assert len(site.turns) == 1
    assert "session_id" not in other.turns[0].body
    assert other.turns[1].body["session_id"] == "sess-1"


async def test_a_message_id_is_not_taken_for_a_session():
    bare = Event({"type": "start", "messageId": "{exchange}"})
    async with world(Script(steps=(bare, delta("x"), FINISH, DONE))) as (caller, site):
        await caller.says("One?")
        await caller.says("Two?")

    assert all("session_id" not in turn.body for turn in site.turns)
    assert "User: One?" in site.turns[1].query


async def test_unless_it_is_configured_to_be():
    bare = Event({"type": "start", "messageId": "sess-1"})
    async with world(
        Script(steps=(bare, delta("x"), FINISH, DONE)), chain="session", upstream={"exchange_as_session": True}
    ) as (caller, site):
        await caller.says("One?")
        await caller.says("Two?")

    assert site.turns[1].body["session_id"] == "sess-1"


async def test_a_turn_that_was_left_open_is_told_again_where_only_the_head_goes_on():
    async with world(Script(), Script(steps=(Stall(),)), Script(), chain="session", clocks={"first_event": 0.1}) as (
        caller,
        site,
    ):
        await caller.says("One?")
        caller.messages.append({"role": "user", "content": "Two?"})
        assert (await caller.sends()).status == 504
        await asyncio.sleep(0.05)
        assert (await caller.sends()).status == 200

    assert "session_id" not in site.turns[-1].body
    assert "User: One?" in site.turns[-1].query


class Lasting(MemoryStore):
    """A store that outlives whoever uses it, as one on another host does."""

    async def close(self):
        """Others go on."""


async def test_two_instances_share_a_conversation_and_one_token():
    """As behind a balancer, on one store: the conversation wanders, and goes on when an instance dies."""
    store = Lasting(LoopClock(), max_records=1000)
    async with FakeTokenEndpoint() as endpoint, MixSite(accepts=endpoint.accepts) as site:
        config = settings(
            site, upstream={"chain": "exchange", "credential": {"mode": "managed", "token_url": endpoint.url}}
        )
        async with GatewayServer(config, records=store) as stable:
            caller = Caller(stable)
            async with GatewayServer(config, records=store) as canary:
                for number in range(8):
                    caller.gateway = (stable, canary)[number % 2]
                    await caller.says(f"Question {number}?")
                    if number == 4:
                        endpoint.revoke()
            caller.gateway = stable
            for number in range(8, 12):
                await caller.says(f"Question {number}?")

    assert {turn.session for turn in site.turns} == {"sess-1"}
    assert [turn.query for turn in site.turns] == [f"Question {number}?" for number in range(12)]
    assert (len(endpoint.issued), site.refused) == (2, 2), "each instance had the revoked token, one fetched the next"


async def test_six_refusals_at_three_instances_make_one_request():
    store = Lasting(LoopClock(), max_records=1000)
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(FakeTokenEndpoint())
        site = await stack.enter_async_context(MixSite(accepts=endpoint.accepts))
        config = settings(site, upstream={"credential": {"mode": "managed", "token_url": endpoint.url}})
        instances = [await stack.enter_async_context(GatewayServer(config, records=store)) for _ in range(3)]
        for instance in instances:
            await Caller(instance).says("Hi.")
        endpoint.revoke()
        endpoint.delay_s = 0.05
        await asyncio.gather(*(Caller(instance).says("Hi.") for instance in instances * 2))

    assert site.refused == 6
    assert len(endpoint.issued) == len(endpoint.asked) == 2


async def test_200_callers_with_tokens_that_end_every_second_lose_nothing():
    async with FakeTokenEndpoint(life_s=1.0) as endpoint, MixSite(accepts=endpoint.accepts) as site:
        config = settings(site, upstream={"credential": {"mode": "managed", "token_url": endpoint.url}})
        async with GatewayServer(config) as gateway:
            callers = [Caller(gateway) for _ in range(200)]
            for number in range(3):
                await asyncio.gather(*(caller.says(f"Question {number}?") for caller in callers))

            keeper = gateway.gateway.upstreams["mix-main"].bearer.keeper
            assert len(site.turns) == 600
            assert len(endpoint.issued) == keeper._token.generation
