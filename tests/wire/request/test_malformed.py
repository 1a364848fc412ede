"""The table of malformed bodies that users of the harness post over a socket: every row must be refused as it says."""

import json
from collections import Counter

import pytest

from proxy.errors import REQUEST_CODES, RequestRejected
from proxy.testing.malformed import (
    MALFORMED,
    MALFORMED_ELSEWHERE,
    Malformed,
    malformed_bodies,
    plain_body,
    rich_body,
)
from proxy.wire.request import ModelRules, check_chat, decode_body

OTHER = ModelRules()
OPENAI = ModelRules(openai=True, require_user=False)
EVERYWHERE = [(case, rules) for rules in (OTHER, OPENAI) for case in MALFORMED]
ELSEWHERE = [(case, OTHER) for case in MALFORMED_ELSEWHERE]


def refusal(case: Malformed, rules: ModelRules) -> RequestRejected:
    with pytest.raises(RequestRejected) as caught:
        check_chat(decode_body(case.raw), rules)
    return caught.value


def test_every_malformed_body_is_refused_as_the_table_says() -> None:
    """Status, code and param, whatever the kind; the table was written from the contract, not from the checks."""
    expected, told = {}, {}
    for case, rules in [*EVERYWHERE, *ELSEWHERE]:
        error = refusal(case, rules)
        expected[case.id, rules.openai] = (case.status, case.code, case.param)
        told[case.id, rules.openai] = (error.told_status, error.told_code, error.param)

    assert told == expected


def test_every_message_is_short_printable_and_quotes_its_path() -> None:
    for case, rules in [*EVERYWHERE, *ELSEWHERE]:
        message = refusal(case, rules).message
        assert len(message) <= 400
        assert message.isprintable()
        assert (case.param or "body").split(".")[0].split("[")[0] in message


def test_the_table_is_large_stable_and_names_each_row_once() -> None:
    cases = MALFORMED + MALFORMED_ELSEWHERE

    assert len(MALFORMED) >= 500
    assert Counter(case.id for case in cases).most_common(1)[0][1] == 1
    assert malformed_bodies() == MALFORMED
    assert all(b'"other"' in case.raw for case in malformed_bodies("other") if case.id.startswith("plain tools"))


def test_the_table_has_a_row_for_every_code_that_checking_can_give() -> None:
    """A code without a row would be a rule without a test."""
    assert {case.code for case in MALFORMED + MALFORMED_ELSEWHERE} == REQUEST_CODES - {"unsupported_parameter"}


@pytest.mark.parametrize("rules", [OTHER, OPENAI], ids=["other", "openai"])
def test_the_bodies_that_were_broken_are_in_order(rules: ModelRules) -> None:
    """Else the table would prove nothing."""
    for body in (plain_body("m"), rich_body("m")):
        assert check_chat(decode_body(json.dumps(body).encode()), rules).model == "m"
