"""JSON that came cut, and JSON that came bad."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.upstream.json_text import MAX_DEPTH, JsonPrefix, decode_object, is_cut_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\{}[]é\n', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='a"\\{', max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)
containers = st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=2), values, max_size=3)


@given(containers)
def test_every_proper_beginning_of_a_container_is_cut_and_the_whole_is_not(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert not is_cut_json(text)
    assert all(is_cut_json(text[:cut]) for cut in range(1, len(text)))


@given(st.text(alphabet='ab"\\{}[]', max_size=30), st.data())
def test_pieces_and_folding_do_not_matter(text: str, data: st.DataObject) -> None:
    whole = JsonPrefix()
    whole.push(text)
    pieces = JsonPrefix()
    start = 0
    for cut in sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5))):
        pieces.push(text[start:cut])
        start = cut
        if data.draw(st.booleans()):
            assert pieces.cut in (True, False)  # asking folds what has come
    pieces.push(text[start:])
    assert (pieces.cut, pieces.whole) == (whole.cut, whole.whole)


def test_an_escape_may_be_cut_and_folded_in_its_middle() -> None:
    prefix = JsonPrefix()
    prefix.push('"a\\')
    assert prefix.cut
    prefix.push('"')
    assert prefix.cut
    prefix.push('"')
    assert prefix.whole


def test_a_long_text_is_folded_as_it_comes() -> None:
    prefix = JsonPrefix()
    prefix.push('["')
    for _ in range(1000):
        prefix.push("x" * 1000)
    assert prefix.cut
    prefix.push('"]')
    assert prefix.whole


@pytest.mark.parametrize("text", ["", " \n"])
def test_no_text_is_neither_cut_nor_whole(text: str) -> None:
    prefix = JsonPrefix()
    prefix.push(text)
    assert (prefix.cut, prefix.whole) == (False, False)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"1", b"null", b'"a"', b"{", b"{}x", b"{'a':1}", b'{"a":NaN}', b"\xff", b"\xef\xbb\xbf{}"]
)
def test_what_is_no_object_is_none(data: bytes) -> None:
    assert decode_object(data) is None


def test_bad_bytes_outside_of_strings_are_no_json() -> None:
    assert decode_object(b'{"a":1\xff}') is None


def test_nesting_is_bounded() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' * levels + b"1" + b"}" * levels

    assert decode_object(nested(MAX_DEPTH)) is not None
    assert decode_object(nested(MAX_DEPTH + 1)) is None
    assert decode_object(b'{"a":[' + b",".join([b'{"a":[]}'] * 500) + b"]}") is not None
