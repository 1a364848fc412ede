"""Ids of the site, wherever they come."""

import pytest

from proxy.wire.events import Finished, Opened
from proxy.wire.mix import Ids
from tests.wire.mix.answers import DONE, START, delta, line, read, reader


@pytest.mark.parametrize(
    ("events", "ids"),
    [
        (({"type": "start", "sessionId": "s", "exchangeId": "e"},), ("s", "e")),
        (({"type": "x", "metadata": {"session_id": "s", "exchange_id": 7}},), ("s", "7")),
        (({"type": "x", "message": {"metadata": {"sessionId": "s"}}},), ("s", None)),
        (({"type": "start", "messageId": "m"},), (None, "m")),
        (({"type": "start", "messageId": "m"}, {"type": "x", "exchangeId": "e"}), (None, "e")),
        (({"type": "x", "exchangeId": "e"}, {"type": "start", "messageId": "m"}), (None, "e")),
        (({"type": "start", "sessionId": "s"}, {"type": "finish", "sessionId": "rotated"}), ("rotated", None)),
        (
            (
                {"type": "start", "sessionId": ""},
                {"type": "x", "sessionId": "x" * 257},
                {"type": "x", "sessionId": True},
            ),
            (None, None),
        ),
    ],
)
def test_ids_come_anywhere_and_the_last_counts(events, ids):
    _, made = read(*events, delta("x"), DONE)

    assert (made.ids.session_id, made.ids.exchange_id) == ids


def test_ids_are_told_each_time_they_change():
    made = reader()
    events = made.feed(line(START) + line(START) + line({"type": "x", "sessionId": "other"}))

    assert [each.ids["session_id"] for each in events if isinstance(each, Opened)] == ["sess-1", "other"]


def test_a_late_id_does_not_swallow_the_finish():
    events, _ = read(START, delta("x"), {"type": "finish", "messageMetadata": {"exchangeId": "late"}}, DONE)

    assert events[-1] == Finished("stop")


def test_a_messages_id_is_never_a_sessions():
    ids = Ids()
    ids.take({"messageId": "m"})

    assert ids.node(needs_exchange=False, exchange_as_session=False) is None
    assert ids.node(needs_exchange=False, exchange_as_session=True) == {"session_id": "m", "exchange_id": "m"}


def test_an_old_exchange_is_never_kept_when_a_new_one_is_missing():
    ids = Ids("sess-1")

    assert ids.node(needs_exchange=False, exchange_as_session=False) == {"session_id": "sess-1"}
    assert ids.node(needs_exchange=True, exchange_as_session=False) is None
