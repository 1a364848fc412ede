"""Bytes to a JSON object."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import RequestRejected
from proxy.wire.request import decode_body, encode_json


def nested(depth: int, text: bytes = b"") -> bytes:
    """An object that is *depth* levels deep, and has more brackets than that."""
    return b'{"b":["' + text + b'"],"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"{}", {}),
        (b' {"a": 1}\r\n', {"a": 1}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":{"b":1,"c":2,"b":3}}', {"a": {"b": 3, "c": 2}}),
        ('{"é":"日本 \u2028 😀"}'.encode(), {"é": "日本 \u2028 😀"}),
        (rb'{"a":"\ud83d\ude00"}', {"a": "😀"}),
        (rb'{"a":"\ud83d"}', {"a": "\ufffd"}),
        (rb'{"a":"\uDE00b"}', {"a": "\ufffdb"}),
        (rb'{"a":"\ude00\ud83d"}', {"a": "\ufffd\ufffd"}),
        (rb'{"a":"\ud83d\ud83d\ude00\ude00"}', {"a": "\ufffd😀\ufffd"}),
        (rb'{"\ud800":[{"\udfff":"\udbff"}]}', {"\ufffd": [{"\ufffd": "\ufffd"}]}),
        (rb'{"\ud800":1,"\ud801":2}', {"\ufffd": 2}),
        (rb'{"a":"\\ud83d \\\ud83d"}', {"a": r"\ud83d " + "\\\ufffd"}),
        (rb'{"a":"\ud83d\\ude00"}', {"a": "\ufffd" + r"\ude00"}),
        (b'{"a":18446744073709551615}', {"a": 2**64 - 1}),
        (b'{"a":18446744073709551616}', {"a": 2**64}),
        (b'{"a":[-9223372036854775809]}', {"a": [-(2**63) - 1]}),
        (b'{"a":' + b"9" * 300 + b"}", {"a": 10**300 - 1}),
        (b'{"a":-' + b"9" * 300 + b"}", {"a": 1 - 10**300}),
        (b'{"a":1.5,"b":1e308,"c":1e-999,"d":0.' + b"1" * 400 + b"}", {"a": 1.5, "b": 1e308, "c": 0.0, "d": 1 / 9}),
        (b'{"a":"' + b"9" * 400 + b'"}', {"a": "9" * 400}),
    ],
)
def test_a_body_in_order_is_decoded(raw: bytes, value: object) -> None:
    """Sloppy is not wrong: a byte order mark, repeated keys, half surrogates and long integers all have one meaning."""
    assert decode_body(raw) == value


@pytest.mark.parametrize("text", [b"", b"long " * 10_000], ids=["short", "long"])
def test_nesting_ends_at_64_levels(text: bytes) -> None:
    assert decode_body(nested(64, text)) == json.loads(nested(64, text))
    with pytest.raises(RequestRejected) as caught:
        decode_body(nested(65, text))

    assert (caught.value.told_code, caught.value.param) == ("invalid_json", None)
    assert caught.value.message == "Invalid body: expected at most 64 levels of nesting, got more."


@pytest.mark.parametrize("opening", [b"{", b"[", b"{[", b'{"a":['])
def test_brackets_in_strings_are_no_nesting(opening: bytes) -> None:
    """Code in a message is full of brackets; only those of the JSON itself count."""
    text = opening.decode() * 200

    assert decode_body(encode_json({"a": text})) == {"a": text}


def test_wide_is_not_deep() -> None:
    body = {"a": [{"b": [index]} for index in range(1000)]}

    assert decode_body(encode_json(body)) == body


def test_the_place_of_the_fault_is_told_and_nothing_of_the_body() -> None:
    with pytest.raises(RequestRejected) as caught:
        decode_body(b'{"model":"demo",\n "messages": a secret}')

    assert caught.value.message == ("Invalid body: expected JSON in UTF-8, got something else at line 2 column 14.")


def test_an_integer_of_301_digits_is_refused_wherever_it_stands() -> None:
    with pytest.raises(RequestRejected, match="integers of at most 300 digits"):
        decode_body(b'{"a":[{"b":' + b"1" * 301 + b"}]}")


@pytest.mark.parametrize("value", [{}, {"a": "é\u2028😀"}, {"a": [2**64, -(10**200), 1.5, None, True, "x"]}])
def test_what_was_decoded_can_be_written_again(value: object) -> None:
    """Unknown keys are forwarded as they are, integers beyond 64 bits among them."""
    assert json.loads(encode_json(value)) == value


@given(st.integers(10**18, 10**40), st.text(alphabet='0123456789 ",', max_size=30))
def test_every_integer_keeps_its_digits(number: int, around: str) -> None:
    """The look at every sixth byte must miss no long integer, wherever it stands."""
    body = {around: [around, number, -number]}

    assert decode_body(json.dumps(body).encode()) == body


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**64])
@pytest.mark.parametrize("offset", range(12))
def test_the_shortest_long_integers_are_seen_wherever_they_stand(number: int, offset: int) -> None:
    assert decode_body(b'{"a":' + b" " * offset + str(number).encode() + b"}") == {"a": number}


@given(st.lists(st.sampled_from(["\\ud83d", "\\ude00", "\\\\", "\\u0041", "\\n", "ud83d", "x", "\\uDBFF", "\\uDFFF"])))
def test_surrogates_are_mended_as_the_standard_library_reads_them(pieces: list[str]) -> None:
    """The oracle: read leniently, then replace what can't be encoded."""
    raw = '{"a":"' + "".join(pieces) + '"}'
    expected = json.loads(raw)["a"].encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    assert decode_body(raw.encode())["a"] == "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in expected)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    try:
        body = decode_body(raw)
    except RequestRejected as error:
        assert error.told_code in ("invalid_json", "invalid_type")  # noqa: PT017 - either outcome is lawful
        assert error.param is None  # noqa: PT017 - the same
    else:
        assert body == json.loads(raw.removeprefix(b"\xef\xbb\xbf"))
