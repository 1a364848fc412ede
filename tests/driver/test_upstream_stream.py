"""How an upstream is asked: as the caller asks, unless its entry says that it is always asked for a stream."""

import pytest

from proxy.testing.play import Play
from proxy.testing.script import Upstream


@pytest.mark.parametrize(
    ("entry", "stream", "asked"),
    [({}, False, False), ({}, True, True), ({"upstream_stream": "always"}, False, True)],
)
async def test_the_entry_says_how_it_is_asked(play: Play, entry: dict[str, str], stream: bool, asked: bool) -> None:
    """Some servers go on with an answer that nobody waits for, unless they notice it by writing."""
    x = await play(Upstream.answers("Hello."), kind="openai", upstream=entry, stream=stream)

    assert x.world.upstreams["main"].turns[0].stream is asked
    assert x.text == "Hello."
