"""Unknown keys: kept with the event they came with, quietly where they say nothing."""

from collections.abc import Callable
from typing import Any

from proxy.wire.events import ChoiceExtras, Extras, Finished, TextDelta

Play = Callable[..., Any]

DONE = "[DONE]"


def said(text: str, **chunk: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}], **chunk}


def test_unknown_keys_of_chunk_choice_and_delta_go_with_the_event(play: Play) -> None:
    chunk = {
        "provider": "p",
        "choices": [{"index": 0, "delta": {"content": "a", "x": [1]}, "logprobs": {"content": []}, "stop_reason": 7}],
    }
    expected = Extras({"provider": "p"}, {"logprobs": {"content": []}, "stop_reason": 7}, {"x": [1]})
    assert play(chunk, DONE).events == [TextDelta("a", 0, expected), Finished("stop")]


def test_they_go_with_the_first_event_of_their_chunk_and_choice(play: Play) -> None:
    chunk = {
        "provider": "p",
        "choices": [
            {"index": 0, "delta": {"reasoning": "hm", "content": "a"}, "y": 0},
            {"index": 1, "delta": {"content": "b"}},
        ],
    }
    assert play(chunk, DONE, n=2).extras == [Extras({"provider": "p"}, {"y": 0}), None, Extras({"provider": "p"})]


def test_known_keys_padding_and_nulls_are_no_extras(play: Play) -> None:
    chunk = {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "obfuscation": "zzz",
        "usage": None,
        "system_fingerprint": None,
        "x": None,
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": "a", "tool_calls": None, "refusal": None, "y": None},
                "logprobs": None,
                "finish_reason": None,
                "z": None,
            }
        ],
    }
    assert play(chunk, DONE).extras == [None]


def test_keys_that_the_renderer_writes_are_dropped_wherever_they_stand(play: Play) -> None:
    chunk = {
        "index": 1,
        "role": "x",
        "choices": [{"id": 1, "role": "x", "delta": {"content": "a", "finish_reason": 1}}],
    }
    assert play(chunk, DONE).extras == [None]


def test_fingerprint_and_tier_are_told_only_as_non_empty_strings(play: Play) -> None:
    marks: list[Any] = ["", 1, {}, [], False, "fp"]
    chunks = [said("a", system_fingerprint=mark, service_tier=mark) for mark in marks]
    told = Extras({"system_fingerprint": "fp", "service_tier": "fp"})
    assert play(*chunks, DONE).extras == [None] * 5 + [told]


def test_the_same_fingerprint_in_every_chunk_is_one_object(play: Play) -> None:
    chunks = [said("a", system_fingerprint="fp") for _ in range(5)]
    chunks.insert(3, {"choices": [{"delta": {"content": "a", "reasoning": "b"}}], "system_fingerprint": "fp"})
    told = [extras for extras in play(*chunks, DONE).extras if extras is not None]
    assert told == [Extras({"system_fingerprint": "fp"})] * 6
    assert len({id(extras) for extras in told}) == 1


def test_a_fingerprint_that_changes_or_goes_away_is_followed(play: Play) -> None:
    chunks = [
        said("a", system_fingerprint="x"),
        said("b", system_fingerprint="y"),
        said("c"),
        said("d", service_tier="z"),
    ]
    assert play(*chunks, DONE).extras == [
        Extras({"system_fingerprint": "x"}),
        Extras({"system_fingerprint": "y"}),
        None,
        Extras({"service_tier": "z"}),
    ]


def test_extras_of_a_chunk_without_an_event_are_an_event(play: Play) -> None:
    logprobs = {"content": [{"token": ""}]}
    outcome = play({"choices": [{"index": 0, "delta": {"role": "assistant"}, "logprobs": logprobs}]}, DONE)
    assert outcome.events == [ChoiceExtras(Extras(None, {"logprobs": logprobs})), Finished("stop")]


def test_extras_of_the_finish_chunk_come_before_the_finish(play: Play) -> None:
    finish = {"choices": [{"delta": {}, "finish_reason": "stop", "stop_reason": 7}]}
    assert play(said("a"), finish).events[1:] == [ChoiceExtras(Extras(None, {"stop_reason": 7})), Finished("stop")]


def test_a_fingerprint_alone_waits_for_the_next_event(play: Play) -> None:
    """Every stream begins with such a chunk, bearing a role; a frame of its own would say nothing."""
    role = {"choices": [{"delta": {"role": "assistant"}}], "system_fingerprint": "fp"}
    assert play(role, said("a"), said("b"), DONE).events == [
        TextDelta("a", 0, Extras({"system_fingerprint": "fp"})),
        TextDelta("b"),
        Finished("stop"),
    ]


def test_extras_of_the_usage_chunk_are_told(play: Play) -> None:
    """llama.cpp puts its timings there."""
    usage = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}, "timings": {"ms": 1}}
    assert ChoiceExtras(Extras({"timings": {"ms": 1}})) in play(said("a"), usage, DONE).events


def test_extras_of_a_filter_note_are_dropped(play: Play) -> None:
    outcome = play({"choices": [], "prompt_filter_results": [1]}, said("a"), DONE)
    assert outcome.events == [TextDelta("a"), Finished("stop")]
