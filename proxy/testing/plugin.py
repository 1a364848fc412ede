"""The pytest plugin `turnstile`: fixtures that test a gateway, or code that talks to one.

`play` plays one request through the real driver in process; `gateway_server` starts a whole gateway on a socket.  What
they need is imported when a test asks for them: a test run that does not is left alone.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from proxy.testing.play import Play


@pytest.fixture
def play() -> "Play":
    """Requests played through the driver: `x = await play(Upstream.answers("Hel").then_breaks())`."""
    from proxy.testing.play import Play  # noqa: PLC0415 - see the module's docstring

    return Play()
