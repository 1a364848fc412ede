"""What the tests with other projects' servers and clients share."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from proxy.testing.llama import llama
from proxy.testing.process import Daemon, daemon
from tests.e2e.configs import well_behaved

__all__ = ["async_client", "client", "daemon", "gateway", "llama"]

KEY = "sk-real"  # of the two clients; it matters only where the configuration has keys


@pytest.fixture(scope="module")
def gateway(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for the module, under the module's own `config`."""
    with well_behaved(config, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def client(gateway: Daemon) -> Iterator[OpenAI]:
    """The official client."""
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, timeout=30, max_retries=2) as client:
        yield client


@pytest.fixture
async def async_client(gateway: Daemon) -> AsyncIterator[AsyncOpenAI]:
    """The official client, asynchronous."""
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, timeout=30, max_retries=2) as client:
        yield client
