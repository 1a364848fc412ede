"""The one line about each request: what it tells, and what nobody can make it tell."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.testing.process import Daemon
from tests.e2e.configs import script_config
from tests.e2e.wire import ask, chat, connected, request

SCRIPTS: dict[str, list[Any]] = {
    "good": [
        {"pause_ms": 60},
        {"say": "Hello", "chunk": 1, "every_ms": 20},
        {"usage": {"prompt_tokens": 5, "completion_tokens": 7}},
    ],
    "quick": [{"say": "Hi", "chunk": 0}],
    "flaky": [[{"fail": "upstream_error"}], [{"fail": "upstream_busy"}], [{"say": "Hi"}]],
    "stalled": [{"stall": True}],
    "silent": [{"say": "Hel", "chunk": 0}, {"stall": True}],
    "tool": [{"call": "now", "arguments": {"zone": "UTC"}, "chunk": 0}],
}
ALWAYS = {"request_id", "end_reason", "http_status", "client", "path", "ms", "bytes_out", "event", "level", "timestamp"}
KNOWN_BY_THE_END = {"stream", "tools_present", "caller", "session", "degraded", "model", "upstream", "upstream_status"}
NUMBERS = {"attempts", "ttft_ms", "usage", "finish_reason"}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    config = script_config(SCRIPTS, retry={"base_s": 0.01})
    for model in config["models"]:
        if model["id"] in ("stalled", "silent"):
            model["clocks"] = {"first_event": 0.2, "idle": 0.2}
    return config


async def test_a_streamed_answer_is_told_in_numbers(gateway: Daemon) -> None:
    answer = await ask(gateway.url, "POST", "/", chat(model="good", stream=True), {"User-Agent": "OpenAI/Python 2.1"})
    line = await gateway.logged(answer.headers["x-request-id"])
    assert line.keys() >= ALWAYS | KNOWN_BY_THE_END | NUMBERS
    assert line["end_reason"] == "done"
    assert line["path"] == "validate>auth>session>upstream>stream>tool_parse>render>done"
    assert list(line["ms"]) == line["path"].split(">")[:-1]
    assert all(spent_ms >= 0 for spent_ms in line["ms"].values())
    assert 55 <= line["ms"]["upstream"] < line["ttft_ms"] < sum(line["ms"].values())
    assert line["ms"]["stream"] >= 70
    assert line["bytes_out"] == len(answer.body)
    assert line["usage"] == {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    told = {
        name: line[name] for name in ("http_status", "client", "model", "upstream", "attempts", "stream", "session")
    }
    assert told == {
        "http_status": 200,
        "client": "openai-python",
        "model": "good",
        "upstream": "good",
        "attempts": 1,
        "stream": True,
        "session": told["session"],
    }
    assert told["session"] in ("none", "new")
    assert (line["finish_reason"], line["tools_present"], line["degraded"]) == ("stop", False, False)


async def test_a_whole_answer_is_told_alike(gateway: Daemon) -> None:
    asked = chat(model="tool", tools=[{"type": "function", "function": {"name": "now"}}])
    answer = await ask(gateway.url, "POST", "/", asked)
    line = await gateway.logged(answer.headers["x-request-id"])
    assert line["path"] == "validate>auth>session>upstream>read>tool_parse>render>done"
    assert (line["stream"], line["tools_present"], line["finish_reason"]) == (False, True, "tool_calls")
    assert line["bytes_out"] == len(answer.body)
    assert line["usage"]["estimated"] is True


async def test_every_attempt_is_told(gateway: Daemon) -> None:
    answer = await ask(gateway.url, "POST", "/", chat(model="flaky"))
    line = await gateway.logged(answer.headers["x-request-id"])
    assert (line["end_reason"], line["attempts"]) == ("done", 3)
    assert line["tried"] == ["flaky:upstream_error", "flaky:upstream_busy", "flaky:answered"]
    assert line["path"].startswith("validate>auth>session>upstream>backoff>upstream>backoff>upstream>read>")
    assert "code" not in line


@pytest.mark.parametrize(("model", "clock"), [("stalled", "first_event"), ("silent", "idle")])
async def test_the_clock_that_ran_out_is_told(gateway: Daemon, model: str, clock: str) -> None:
    """By the name that it has in the configuration, since that is where an operator turns next."""
    answer = await ask(gateway.url, "POST", "/", chat(model=model, stream=True))
    line = await gateway.logged(answer.headers["x-request-id"])
    assert (line["end_reason"], line["code"], line["clock"]) == ("timeout", "upstream_timeout", clock)
    assert f"'{clock}'" in answer.body.decode()
    assert "0.2 s" in answer.body.decode()


async def test_what_never_was_a_request_for_an_answer_has_its_line_too(gateway: Daemon) -> None:
    for method, path, body, status in (
        ("POST", "/", b"{", 400),
        ("POST", "/", b'{"model":"none","messages":[{"role":"user","content":""}]}', 404),
        ("GET", "/nowhere", None, 404),
        ("PUT", "/", None, 405),
    ):
        answer = await ask(gateway.url, method, path, body, {"User-Agent": "curl/8.0"})
        line = await gateway.logged(answer.headers["x-request-id"])
        assert line.keys() >= ALWAYS - {"ms", "bytes_out"}
        assert (line["http_status"], line["end_reason"], line["client"]) == (status, "invalid_request", "curl")


@pytest.mark.parametrize(
    ("agent", "client"),
    [
        ("AsyncOpenAI/Python 2.1", "openai-python"),
        ("curl/8.5.0", "curl"),
        ("Mozilla/5.0 (X11; Linux) Firefox/130", "browser"),
        ("made up by somebody", "other"),
        ("", "other"),
    ],
)
async def test_the_client_is_one_of_a_closed_set(gateway: Daemon, agent: str, client: str) -> None:
    """Or else anybody could make as many labels as they like."""
    answer = await ask(gateway.url, "POST", "/", chat(model="none"), {"User-Agent": agent})
    assert (await gateway.logged(answer.headers["x-request-id"]))["client"] == client


FORGED = (
    'x\nrequest_id=forged level=error event=request.completed {"event":"forged"}\r\n\x1b[31mred\x1b[0m\u2028\x85\x00"'
)


async def say_harmful_things(url: str) -> int:
    """Requests that hold line ends, terminal codes and quotes wherever a caller can put any; gives their number."""
    unknown: dict[str, Any] = {FORGED: 1}
    bodies = [
        chat(FORGED, model="quick", user=FORGED),
        chat(model=FORGED),
        chat(model=f"any/{FORGED}"),
        chat(model="quick", logit_bias={FORGED: "heavy"}),
        chat(model="quick", stop=[FORGED, 1]),
        chat(model="quick", tool_choice=FORGED),
        chat(model="quick", **unknown),
        chat(model="quick", tools=[{"type": FORGED}]),
    ]
    for body in bodies:
        await ask(url, "POST", "/", body, {"User-Agent": "x\ty\xff", "x-request-id": "a\tb"})
    await ask(url, "GET", "/v1/models/a%0ab%1b%5b31m")
    async with connected(url) as connection:
        await connection.send(request("GET", "/nowhere", headers={"x-forwarded-for": "1.2.3.4\tforged"}))
        await connection.answer()
    return len(bodies) + 2


def fields_of_json(line: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(line)
    return fields


def fields_of_logfmt(line: str) -> dict[str, Any]:
    pairs = re.findall(r'(?:^| )([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "]*)', line)
    assert " ".join(f"{name}={value}" for name, value in pairs) == line
    return {name: value.strip('"') for name, value in pairs}


def fields_of_console(line: str) -> dict[str, Any]:
    return {"event": "request.completed" if " request.completed " in line else line}


FORMS: dict[str, Callable[[str], dict[str, Any]]] = {
    "json": fields_of_json,
    "logfmt": fields_of_logfmt,
    "console": fields_of_console,
}


async def log_of_harmful_things(folder: Path, form: str) -> tuple[str, int]:
    """The whole log of a daemon to which such requests were made, in that form; and their number."""
    config = script_config(SCRIPTS)
    config["models"].append({"id": "any/*", "upstream": "quick"})
    running = Daemon(config, folder=folder, args=["--log-format", form])
    await asyncio.to_thread(running.__enter__)
    try:
        number = await say_harmful_things(running.url)
    finally:
        await asyncio.to_thread(running.stop)
    return running.log_path.read_bytes().decode(), number


async def test_no_caller_can_write_a_line_of_its_own(tmp_path: Path) -> None:
    """In whatever form the log is: what a caller sends is a value, and never a line, a field or a colour."""
    logs = await asyncio.gather(*(log_of_harmful_things(tmp_path / form, form) for form in FORMS))
    for (text, number), (form, fields_of) in zip(logs, FORMS.items(), strict=True):
        lines = text.split("\n")[:-1]
        assert "\n".join(lines).splitlines() == lines, f"there is no line end but ours: {form}"
        assert all(character.isprintable() for line in lines for character in line), form
        events = [fields_of(line)["event"] for line in lines]
        assert events.count("request.completed") == number, form
        assert "forged" not in [fields_of(line).get("request_id") for line in lines], form
