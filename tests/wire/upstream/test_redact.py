"""Upstream words lose what must not leave, and keep what helps."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.upstream.redact import MAX_CHARS, redact

SECRET = "s3cr3tS3cr3tS3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-{}.",
        "Incorrect API key provided: {}.",
        "sk-{}",
        "key gsk_{} is bad",
        "AIza{}",
        "sent 'Authorization: Bearer {}'",
        "bearer {}",
        "Basic {}==",
        "api_key={}",
        'x-api-key": "{}"',
        "token: {}",
        "password = {}",
        "Cookie: session={}; other={}",
        "set-cookie: a={}",
        "https://user:{}@host/path",
        "see HTTP://internal.example/{}?x=1#y",
        "redis://{}:6379/0",
        "eyJhbGciOiJIUzI1NiJ9.eyJ{}.{}",
        "opaque {}{}{}",
    ],
)
def test_keys_cookies_and_urls_are_replaced(text: str) -> None:
    assert SECRET not in redact(text.replace("{}", SECRET))


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "10.1.2.3:8000",
        "[fe80::1:2:3:4]:80",
        "localhost:11434",
        "vllm.internal",
        "gpu-7.cluster.local:8000",
        "api.example.com:443",
    ],
)
def test_addresses_are_replaced(address: str) -> None:
    assert redact(f"no route to {address} today") == "no route to [address] today"


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 4097 tokens. However, your messages resulted in 6988 tokens.",
        "Invalid 'messages[0].content[1].text': expected a string.",
        "max_tokens: 500 is above the limit of Qwen2.5-Coder-32B-Instruct; 12:30:45 on 2026-01-02",
        "temperature must be >= 0 && <= 2 (got: 3.5)",
        "Größe 10 % überschritten: «…»",
        "tokens: 12, monkey: 5, keyword: x",
    ],
)
def test_what_helps_is_kept(text: str) -> None:
    assert redact(text) == text


def test_control_characters_become_spaces() -> None:
    assert redact("a\r\nb\x00c\u2028d\x1b[31m ") == "a b c d [31m"


def test_the_text_is_bounded() -> None:
    assert redact("a" * 39 + " ") == "a" * 39
    assert redact("word " * 99 + "word!") == "word " * 99 + "word!"
    assert len(redact("word " * 200)) == MAX_CHARS
    assert redact("word " * 200).endswith("…")


@given(st.text(max_size=1200))
def test_any_text_becomes_one_printable_line(text: str) -> None:
    told = redact(text)
    assert len(told) <= MAX_CHARS
    assert len(told.splitlines()) <= 1
    told.encode()


@pytest.mark.parametrize(
    "unit",
    ["a", "a-", "a.", "a1", "sk-", "1.", ":", "a:", "key ", "token=", "://", "x://", "eyJ.", "\n", "cookie", "é"],
)
def test_no_text_is_slow(unit: str) -> None:
    """The patterns look at hostile text on the event loop."""
    started_s = time.perf_counter()
    redact(unit * 1_000_000)
    assert time.perf_counter() - started_s < 0.25
