"""What codex asks by itself is answered at once."""

import pytest

from tests.upstreams.codex.conftest import text_of


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("item/commandExecution/requestApproval", {"decision": "decline"}),
        ("item/fileChange/requestApproval", {"decision": "decline"}),
        ("item/permissions/requestApproval", {"permissions": {}, "scope": "turn"}),
        ("item/tool/requestUserInput", {"answers": {}}),
        ("mcpServer/elicitation/request", {"action": "decline", "content": None, "_meta": None}),
        ("applyPatchApproval", {"decision": "abort"}),
        ("execCommandApproval", {"decision": "abort"}),
        ("account/chatgptAuthTokens/refresh", None),
        ("attestation/generate", None),
        ("never/heard/of", None),
    ],
)
async def test_what_codex_asks_is_answered_at_once(codex, method, answer):
    codex = codex([["ask", 3, method, {}], ["delta", "went on"], ["end"]])

    events, _ = await codex.ask()

    [reply] = [line for line in codex.told() if "method" not in line]
    assert reply["id"] == 3
    assert (reply.get("result"), reply.get("error", {}).get("code")) == (answer, None if answer else -32601)
    assert text_of(events) == "went on"


async def test_codex_is_told_the_time(codex):
    codex = codex([["ask", 0, "currentTime/read", {}], ["end"]])
    await codex.ask()

    [reply] = [line for line in codex.told() if "method" not in line]
    assert reply["result"]["currentTimeAt"] > 1_600_000_000


async def test_approvals_can_be_given_where_built_in_tools_are_allowed(codex):
    script = [["ask", 0, "item/commandExecution/requestApproval", {}], ["end"]]
    codex = codex(script, approvals="accept", allow_builtin_tools=True)
    await codex.ask()

    [reply] = [line for line in codex.told() if "method" not in line]
    assert reply["result"] == {"decision": "accept"}


async def test_a_request_with_the_id_of_a_call_of_ours_is_handled_and_so_is_the_call(codex):
    """Ids count from 0 on both sides; the fourth call of ours is `turn/start`."""
    for rpc_id in range(8):
        script = [["ask", rpc_id, "currentTime/read", {}], ["delta", "ok"], ["end"]]
        events, _ = await codex(script).ask()
        assert text_of(events) == "ok"


async def test_a_tool_call_of_a_turn_that_nobody_knows_is_answered(codex):
    stray = {"threadId": "another", "turnId": "t", "callId": "c", "tool": "x", "arguments": {}}
    codex = codex([["ask", 0, "item/tool/call", stray], ["end"]])
    await codex.ask()

    [reply] = [line for line in codex.told() if "method" not in line]
    assert reply["result"] == {"contentItems": [], "success": False}


async def test_what_comes_before_the_id_of_a_turn_is_known_is_not_lost(codex):
    events, _ = await codex([["early"], ["delta", "x"], ["end"]]).ask()

    assert text_of(events) == "x"
