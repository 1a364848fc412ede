"""What a token endpoint answers, in every form."""

import json
from math import inf

import pytest

from proxy.credentials import read_issued
from proxy.credentials.issued import LONGEST_LIFE_S
from proxy.testing.token_endpoint import FORMS, three_parts

NOW_S = 1_790_000_000.0
LIFE_S = 900.0


def read(told, **fields):
    raw = told if isinstance(told, bytes) else json.dumps(told).encode()
    asked = {"token_field": "access_token", "expires_in_field": "expires_in", "sent_wall_s": NOW_S, **fields}
    return read_issued(raw, **asked)


def life(told, **fields):
    issued = read({"access_token": "tok", **told}, **fields)
    assert issued is not None
    return issued.life_s


@pytest.mark.parametrize("form", FORMS)
def test_a_life_is_read_in_every_form(form):
    issued = read(FORMS[form]("tok", LIFE_S, NOW_S), token_field="jwt", expires_in_field="ttl")

    assert issued is not None
    assert issued.life_s == pytest.approx(inf if form == "none" else LIFE_S, abs=0.01)
    assert issued.token == "tok" or issued.token.count(".") == 2


@pytest.mark.parametrize(
    ("told", "token"),
    [
        ({"access_token": "a", "token": "b"}, "a"),
        ({"token": "b", "id_token": "c"}, "b"),
        ({"data": {"id_token": "c"}}, "c"),
        ({"access_token": "", "data": {"access_token": "d"}}, "d"),
        ({"access_token": "a b", "token": "b"}, "b"),
        ({"access_token": 7, "token": "b"}, "b"),
        ({"access_token": "a\r\nX: y", "token": "b"}, "b"),
        ({"access_token": "ключ", "token": "b"}, "b"),
    ],
)
def test_the_first_usable_token_counts(told, token):
    """One with a blank or a line break in it would be two words of a header, or another header."""
    issued = read(told)

    assert issued is not None
    assert issued.token == token


@pytest.mark.parametrize(
    "told", [b"", b"[]", b"null", b"tok", b"{", {}, {"data": ["t"]}, {"access_token": "x" * 20_000}]
)
def test_an_answer_without_a_token(told):
    assert read(told) is None


def test_a_named_field_beats_the_usual_ones():
    assert life({"ttl": 5, "expires_in": 7}, expires_in_field="ttl") == 5
    assert life({"expires_in": 7, "expires_at": NOW_S + 9}) == 7
    assert life({"expires_at": NOW_S + 9, "exp": NOW_S + 11}) == pytest.approx(9)


@pytest.mark.parametrize("unusable", [0, -1, "0", "soon", None, True, [], {}, "NaN", "Infinity"])
def test_what_can_not_be_a_life_is_passed_over(unusable):
    assert life({"expires_in": unusable, "exp": NOW_S + 60}) == pytest.approx(60)


@pytest.mark.parametrize("past", [NOW_S - 1, (NOW_S - 1) * 1000, "2020-01-01T00:00:00Z", "2099-01-01T00:00:00"])
def test_a_time_that_is_past_or_has_no_zone_is_passed_over(past):
    assert life({"expires_at": past}) == inf


def test_a_time_is_read_with_its_zone():
    assert life({"expires_at": "2026-09-21T15:13:20Z"}) == life({"expires_at": "2026-09-21T17:13:20+02:00"})


def test_a_life_beyond_all_measure_is_bounded():
    assert life({"expires_in": 1e300}) == LONGEST_LIFE_S


@pytest.mark.parametrize("token", ["a.b.c", "a.e30.c", "a.bnVsbA.c", "a.!!.c", "only.two"])
def test_a_token_without_a_claim_lives_until_it_is_refused(token):
    assert life({"access_token": token}) == inf


def test_a_claim_is_the_last_resort():
    token = three_parts({"exp": NOW_S + 30})

    assert life({"access_token": token}) == pytest.approx(30)
    assert life({"access_token": token, "expires_in": 20}) == 20
