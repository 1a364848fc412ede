"""Keys: the same history of the same caller in the same place leads to the same key, and nothing else does."""

from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from proxy.sessions.keys import History, Owner, Scope, first_message_id, session_key, tail_of
from tests.sessions.turns import ALICE, BOB, CANDIDATE, place

pieces = st.lists(st.binary(max_size=6), max_size=6)


def scope(owner: Owner = Owner(ALICE, ""), upstream: str = "up", model: str = "m", more: str = "") -> Scope:  # noqa: B008 - frozen
    return Scope(owner.partition, replace(CANDIDATE, model_id=model), place(upstream), more)


def test_everything_that_a_conversation_is_scoped_by_changes_its_keys() -> None:
    """Caller, end user, upstream, model, and whatever the upstream itself tells apart."""
    scopes = [
        scope(),
        scope(Owner(BOB, "")),
        scope(Owner(ALICE, "user-1")),
        scope(upstream="other"),
        scope(model="other"),
        scope(more="persona"),
    ]
    history = History([b"a"], 1).prefix or b""

    assert len({each.node_key(history) for each in scopes}) == len(scopes)


def test_a_key_that_was_changed_is_another_caller() -> None:
    """Of the same name: whoever has the old key is not to read on."""
    assert Owner(ALICE, "").partition != Owner(replace(ALICE, fingerprint="00000000"), "").partition


def test_names_can_not_be_made_to_look_like_end_users() -> None:
    joined = Owner(replace(ALICE, name='a", "b'), "")
    apart = Owner(replace(ALICE, name="a"), 'b", "')

    assert joined.partition != apart.partition


def test_a_node_within_a_named_conversation_is_another_one() -> None:
    history = History([b"a"], 1).prefix or b""

    assert len({scope().node_key(history, name) for name in (None, "one", "two")}) == 3


@given(pieces, pieces)
def test_what_was_answered_is_the_next_prefix(before: list[bytes], after: list[bytes]) -> None:
    first = History([*before, b"question"], len(before))
    following = History([*before, b"question", b"answer", *after], len(before) + 2)

    assert first.with_answer(b"answer") == following.prefix


@given(pieces, pieces)
def test_no_two_histories_meet(one: list[bytes], other: list[bytes]) -> None:
    """Pieces that count for nothing leave no trace; of the others each end is marked."""
    kept, others = ([piece for piece in each if piece] for each in (one, other))

    assert (History([*one, b"x"], 0).asked == History([*other, b"x"], 0).asked) == (kept == others)


def test_a_history_is_told_apart_by_where_its_messages_end() -> None:
    cuts = [[b"ab"], [b"a", b"b"], [b"", b"ab"], [b"a", b"b", b""]]
    asked = [History(cut, 0).asked for cut in cuts]

    assert [one == other for one, other in combinations(asked, 2)] == [False, True, False, False, True, False]


def test_the_tail_is_what_follows_the_last_answer() -> None:
    def roles(*names: str) -> list[dict[str, str]]:
        return [{"role": name} for name in names]

    assert tail_of(roles("system", "user")) == 0
    assert tail_of(roles("user", "assistant", "user", "assistant", "tool", "tool", "user")) == 4
    assert tail_of(roles("user", "assistant")) == 2


def test_a_name_belongs_to_its_partition() -> None:
    assert session_key("p", "s") != session_key("q", "s") != session_key("q", "t")


def test_a_first_message_has_the_id_that_operators_know() -> None:
    assert first_message_id("Hello") == "8b1a9953c4611296a827abf8c47804d7"
    assert first_message_id(" Hello") != first_message_id("Hello")
