"""The wording of rejections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.request.say import missing, printable, rejected, shown, wrong_type, wrong_value


def test_a_rejection_is_one_sentence_with_path_expectation_and_value() -> None:
    error = wrong_value("temperature", "a number from 0 to 2", 3, "decimal_above_max_value")

    assert error.message == "Invalid 'temperature': expected a number from 0 to 2, got 3."
    assert (error.told_status, error.told_code, error.param) == (400, "decimal_above_max_value", "temperature")


def test_a_wrong_type_is_named_and_its_value_is_not_shown() -> None:
    error = wrong_type("user", "a string", ["private words"])

    assert error.message == "Invalid 'user': expected a string, got an array."
    assert error.told_code == "invalid_type"


def test_absence_is_told_as_nothing() -> None:
    assert missing("model", "a string").message == "Invalid 'model': expected a string, got nothing."
    assert rejected("a.b", "c", "d", "invalid_value").param == "a.b"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "a boolean"),
        (3, "3"),
        (-0.5, "-0.5"),
        ("any", "'any'"),
        ("a\r\nb\x00\u202e", r"'a\u000d\u000ab\u0000\u202e'"),
        ([1], "an array"),
        ({}, "an object"),
        (10**100, "1" + "0" * 62 + "…"),
        ("x" * 64, "'" + "x" * 64 + "'"),
        ("x" * 65, "'" + "x" * 63 + "…'"),
    ],
)
def test_values_are_shown_short_and_safe(value: object, text: str) -> None:
    assert shown(value) == text


@given(st.text())
def test_whatever_is_shown_prints_and_is_short(text: str) -> None:
    """No line of a log or a terminal can be forged by a value."""
    assert printable(text).isprintable()
    assert len(printable(text)) <= 64
