"""A model whose entry says `tools = "off"` is never told of tools."""

from proxy.testing.play import Play
from proxy.testing.script import Upstream

NOW = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}


async def test_declared_tools_stay_here(play: Play) -> None:
    """A server that fails on the field `tools` can still answer in words."""
    x = await play(
        Upstream.answers("Noon."),
        model={"tools": "off"},
        body={"tools": [NOW], "tool_choice": "required", "parallel_tool_calls": False},
    )

    sent = x.world.upstreams["main"].turns[0].request
    assert x.text == "Noon."
    assert not sent.tools
    assert sent.tool_choice.mode == "none"
    assert not sent.body.keys() & {"tools", "tool_choice", "parallel_tool_calls"}
