"""Where no key is asked for, the token that is passed on says who is calling."""

import pytest

from proxy.ports import Caller
from proxy.routing.gate import ANYONE
from proxy.testing.play import Play
from proxy.testing.script import Upstream

HELLO = Upstream.answers("Hello.")
PASSED = {"kind": "openai", "upstream": {"credential": {"mode": "pass_through"}}}


async def test_two_tokens_are_two_callers(play: Play):
    """Else two users of an open gateway would meet in one conversation."""
    callers = []
    for token in ("one", "other", "one"):
        x = await play(HELLO, headers={"Authorization": f"Bearer {token}"}, **PASSED)
        callers.append(x.exchange.caller.fingerprint)

    assert callers[0] == callers[2] != callers[1]
    assert all(len(fingerprint) == 12 for fingerprint in callers)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer one"}])
async def test_a_token_that_is_not_passed_on_says_nothing(play: Play, headers):
    x = await play(HELLO, headers=headers)

    assert x.exchange.caller == ANYONE


def test_a_callers_own_key_is_more_than_a_token():
    caller = Caller("dev", "f00", ("*",), 0, 0)

    assert caller.with_passed("token") is caller
