"""What the tests of answers share: a strict reader of streams, a tiny client, the public schema."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest

from proxy.wire.answer import AnswerHead
from proxy.wire.events import Usage

JsonObject = dict[str, Any]
SCHEMA = json.loads(Path(__file__).with_name("openai_schema.json").read_text())
VALIDATORS = {
    name: jsonschema.Draft202012Validator({**SCHEMA, "$ref": f"#/components/schemas/{name}"})
    for name in SCHEMA["components"]["schemas"]
}


def check_schema(component: str, value: JsonObject) -> None:
    VALIDATORS[component].validate(value)


def read_frames(stream: bytes) -> list[str]:
    """The data of each frame: one `data: ` line and one empty line each, and no line end of any kind inside."""
    assert stream.endswith(b"\n\n"), "the last frame is not complete"
    frames = stream.decode()[:-2].split("\n\n")
    for frame in frames:
        assert frame.startswith("data: ")
        assert frame.splitlines() == [frame], "a client would see more than one line here"
    return [frame.removeprefix("data: ") for frame in frames]


def read_chunks(stream: bytes, *, done: bool = True) -> list[JsonObject]:
    """The chunks of a stream, which ends with the one `[DONE]`, or with *done* = False has none."""
    frames = read_frames(stream) if stream else []
    if done:
        assert frames.pop() == "[DONE]"
    assert "[DONE]" not in frames
    return [json.loads(frame) for frame in frames]


def collect(chunks: list[JsonObject]) -> dict[int, JsonObject]:
    """What a simple client makes of chunks: per choice strings joined, calls by index, the finish reason."""
    choices: dict[int, JsonObject] = {}
    for chunk in chunks:
        for told in chunk["choices"]:
            choice = choices.setdefault(told["index"], {"calls": [], "strings": {}, "finish": None, "logprobs": []})
            for key, value in told["delta"].items():
                if isinstance(value, str):
                    choice["strings"][key] = choice["strings"].get(key, "") + value
            if "function_call" in told["delta"]:
                add_call(choice["calls"], {"index": 0, "function": told["delta"]["function_call"]})
            for call in told["delta"].get("tool_calls", []):
                add_call(choice["calls"], call)
            choice["logprobs"] += (told["logprobs"] or {}).get("content") or []
            choice["finish"] = told["finish_reason"] or choice["finish"]
    return choices


def add_call(calls: list[JsonObject], piece: JsonObject) -> None:
    if piece["index"] == len(calls):
        calls.append(dict.fromkeys(("id", "name", "arguments", "signature"), ""))
    call = calls[piece["index"]]
    for part in (piece, piece.get("function", {})):
        for key in call.keys() & part.keys():
            call[key] += part[key]


@pytest.fixture(scope="session")
def schema() -> Callable[[str, JsonObject], None]:
    """`schema(component, value)` fails unless the value is valid."""
    return check_schema


@pytest.fixture(scope="session")
def frames_of() -> Callable[[bytes], list[str]]:
    return read_frames


@pytest.fixture(scope="session")
def chunks_of() -> Callable[..., list[JsonObject]]:
    return read_chunks


@pytest.fixture(scope="session")
def collected() -> Callable[[list[JsonObject]], dict[int, JsonObject]]:
    return collect


@pytest.fixture(scope="session")
def head() -> AnswerHead:
    return AnswerHead("chatcmpl-3f9a0c7e51d24b6c8e0f7a1b2c3d4e5f", 1_790_000_000, "demo-large")


@pytest.fixture(scope="session")
def usage() -> Usage:
    return Usage(31, 12, 43)
