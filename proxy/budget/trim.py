"""Leaving out: whole turns of the past, oldest first; then the middle of long texts.

A turn is a user message and all that follows it up to the next one, so that calls and their results stay together.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate

from proxy.wire.request import JsonObject, text_of
from proxy.wire.shorten import MARK, shortened

SHORTEST_CHARS = 64  # of what is kept of a text
FIXED_ROLES = ("system", "developer")
SUMMARY_LINE_CHARS = 180

Messages = list[JsonObject]
Fits = Callable[[Messages], bool]


def turn_of_each(messages: Sequence[JsonObject]) -> list[int]:
    """The number of the turn that each message is in; 0 is what comes before the first user message."""
    return list(accumulate(int(message["role"] == "user") for message in messages))


def droppable_turns(messages: Sequence[JsonObject], keep_messages: int) -> list[int]:
    """The turns that may be dropped, oldest first: none with one of the last *keep_messages* or of the tail in it."""
    turns = turn_of_each(messages)
    after_answer = max((i + 1 for i, each in enumerate(messages) if each["role"] == "assistant"), default=0)
    first_kept = min(len(messages) - keep_messages, after_answer, len(messages) - 1)
    kept = set(turns[max(0, first_kept) :])
    talk = {turn for turn, message in zip(turns, messages, strict=True) if message["role"] not in FIXED_ROLES}
    return sorted(talk - kept)


def without_turns(messages: Messages, dropped: Sequence[int]) -> tuple[Messages, Messages]:
    """The messages without those turns, and those that were dropped; what operators and developers say stays."""
    turns, gone = turn_of_each(messages), set(dropped)
    kept: Messages = []
    left: Messages = []
    for turn, message in zip(turns, messages, strict=True):
        (left if turn in gone and message["role"] not in FIXED_ROLES else kept).append(message)
    return kept, left


def drop_oldest(messages: Messages, keep_messages: int, fits: Fits) -> tuple[Messages, Messages]:
    """Drop as few turns as are needed, or all that may be; gives what is kept and what was dropped."""
    turns = droppable_turns(messages, keep_messages)
    count = first_that(len(turns), lambda count: fits(without_turns(messages, turns[:count])[0]))
    return without_turns(messages, turns[:count])


def shorten(messages: Messages, first: int, fits: Fits) -> Messages:
    """Shorten texts from the message *first* on, as far as is needed: tool results, then others, oldest first.

    Never those of operators and developers, nor the last one of the user.
    """
    order = shortenable(messages, first)
    least = [shortened_message(message, SHORTEST_CHARS) for message in messages]

    def with_least(count: int) -> Messages:
        made = list(messages)
        for index in order[:count]:
            made[index] = least[index]
        return made

    count = first_that(len(order), lambda count: fits(with_least(count)))
    made = with_least(count)
    if count and fits(made):
        index = order[count - 1]
        size = len(text_of(messages[index]))

        def cut(chars: int) -> Messages:
            return [*made[:index], shortened_message(messages[index], size - chars), *made[index + 1 :]]

        return cut(first_that(size - SHORTEST_CHARS, lambda chars: fits(cut(chars))))
    return made


def shortenable(messages: Sequence[JsonObject], first: int) -> list[int]:
    """The places of the messages that may be shortened, in the order in which they are."""
    last_user = max((i for i, each in enumerate(messages) if each["role"] == "user"), default=-1)
    places = [
        place
        for place in range(first, len(messages))
        if messages[place]["role"] not in FIXED_ROLES
        and place != last_user
        and len(text_of(messages[place])) > SHORTEST_CHARS + len(MARK)
    ]
    return sorted(places, key=lambda place: messages[place]["role"] != "tool")


def shortened_message(message: JsonObject, keep_chars: int) -> JsonObject:
    """The message with *keep_chars* of its text; parts that are no text stay as they are."""
    text = text_of(message)
    short = shortened(text, keep_chars)
    if short == text:
        return message
    content = message.get("content")
    others = [part for part in content if part["type"] != "text"] if type(content) is list else []
    return {**message, "content": [{"type": "text", "text": short}, *others] if others else short}


def summary_of(dropped: Sequence[JsonObject], *, max_chars: int, max_lines: int) -> str:
    """The last of the *dropped* messages, a line each: `User: What is …`."""
    lines: list[str] = []
    left_chars = max_chars
    for message in reversed(dropped):
        text = " ".join(text_of(message).split())[:SUMMARY_LINE_CHARS]
        line = f"{str(message['role']).capitalize()}: {text}"
        if not text:
            continue
        if len(lines) == max_lines or len(line) > left_chars:
            break
        lines.append(line)
        left_chars -= len(line) + 1
    return "\n".join(reversed(lines))


def first_that(most: int, holds: Callable[[int], bool]) -> int:
    """The smallest number for which *holds*, which once it does goes on to; *most* if there is none below."""
    low, high = 0, max(0, most)
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
