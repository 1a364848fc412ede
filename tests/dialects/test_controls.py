"""How much of an answer is told once the model has called a tool, however its events are cut into reads."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.controls import ControlOptions, Controls
from proxy.dialects.native import NativeDecoder
from proxy.wire.answer import Answer, AnswerHead, ChatFrames, chat_body
from proxy.wire.events import Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from tests.wire.answer.conftest import collect, read_chunks

USAGE = Usage(3, 2, 5)
EXPIRES = "expires"  # the grace of a burst is over


class Run:
    """One answer under controls; EXPIRES among the events lets the grace run out there, if it runs."""

    def __init__(self, **options):
        self.graces = 0
        self.controls = Controls(NativeDecoder(), ControlOptions(**options), self.start_grace)

    def start_grace(self):
        self.graces += 1

    def told(self, *reads):
        out = []
        for read in reads:
            if self.controls.cut:
                break
            if read == EXPIRES:
                self.controls.expire()
            else:
                out += self.controls.feed(read)
        return [*out, *self.controls.end()]


def text(words):
    return TextDelta(words)


def call(index, arguments="{}", name="f"):
    return ToolCallDelta(index, f"call_{index}", name, arguments)


def piece(index, arguments):
    return ToolCallDelta(index, None, None, arguments)


STOP = Finished("stop")
CALLS = Finished("tool_calls")
ANSWER = [text("a"), call(0), text("b"), call(1), text("c"), USAGE, CALLS]


def test_without_controls_all_passes():
    assert Run().told(ANSWER) == ANSWER


def test_first_cuts_when_the_first_call_is_whole():
    run = Run(stop_after_tools="first")

    assert run.told(ANSWER) == [text("a"), call(0), CALLS]
    assert run.controls.cut
    assert run.controls.reason == "first"


def test_first_waits_for_the_end_of_the_arguments():
    run = Run(stop_after_tools="first")

    assert run.told([call(0, '{"a":')], [piece(0, "1")], [piece(0, "}")], [text("b")]) == [
        call(0, '{"a":'),
        piece(0, "1"),
        piece(0, "}"),
        CALLS,
    ]


def test_a_call_without_arguments_is_whole_when_something_else_comes():
    assert Run(stop_after_tools="first").told([call(0, "")], [text("b")], [STOP]) == [call(0, ""), CALLS]


def test_a_burst_ends_when_no_further_call_comes_in_time():
    run = Run(stop_after_tools="burst")

    assert run.told([text("a"), call(0)], [call(1), text("tail")], EXPIRES, [call(2)]) == [
        text("a"),
        call(0),
        call(1),
        CALLS,
    ]
    assert run.graces == 2
    assert run.controls.reason == "burst"


def test_a_burst_that_the_upstream_ends_keeps_the_text_that_waited():
    assert Run(stop_after_tools="burst").told(ANSWER) == [
        text("a"),
        call(0),
        call(1),
        USAGE,
        text("b"),
        text("c"),
        CALLS,
    ]


def test_an_unfinished_call_is_not_told_of_an_answer_that_is_cut():
    told = Run(stop_after_tools="burst").told([call(0)], [call(1, '{"half')], EXPIRES)

    assert told == [call(0), CALLS]


def test_an_unfinished_call_is_told_where_the_upstream_ends_in_it():
    told = Run(stop_after_tools="burst").told([call(0), call(1, '{"half'), Finished("length")])

    assert told == [call(0), call(1, '{"half'), Finished("length")]


def test_a_tail_that_is_suppressed_is_left_out_whole():
    told = Run(suppress_tail=True).told(ANSWER)

    assert told == [text("a"), call(0), call(1), USAGE, CALLS]


def test_reasoning_is_no_tail():
    events = [call(0), ReasoningDelta("hm"), text("b"), STOP]

    assert Run(suppress_tail=True).told(events) == [call(0), ReasoningDelta("hm"), STOP]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_exactly_so_many_calls_pass(most):
    run = Run(tool_block_max=most)

    told = run.told([call(number) for number in range(5)])

    assert told == [*(call(number) for number in range(most)), CALLS]
    assert run.controls.reason == "block_max"


def test_as_many_calls_as_may_be_are_no_reason_to_cut():
    run = Run(tool_block_max=2)

    assert run.told(ANSWER) == ANSWER
    assert not run.controls.cut


def test_equal_calls_and_equal_texts_are_not_the_same():
    events = [text("ha"), text("ha"), call(0), call(1)._replace(id="call_0"), STOP]

    assert Run(stop_after_tools="burst").told(events) == events


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_reason_of_the_upstream_stays(reason):
    assert Run(stop_after_tools="burst").told([call(0), Finished(reason)])[-1] == Finished(reason)


def test_before_any_call_nothing_is_held_back():
    run = Run(stop_after_tools="burst", suppress_tail=True, tool_block_max=1)

    assert run.controls.feed([text("a")]) == [text("a")]
    assert not run.controls.in_grace


# --- laws


@st.composite
def answers(draw):
    """Any answer: texts, thoughts and calls in any order, calls in any pieces, maybe with a grace that runs out."""
    events, index = [], 0
    for kind in draw(st.lists(st.sampled_from(["text", "thought", "call", "cut call", "expires"]), max_size=8)):
        if kind == "text":
            events.append(text(draw(st.sampled_from(["ha", "ha", "\n\n", "{"]))))
        elif kind == "thought":
            events.append(ReasoningDelta("hm"))
        elif kind == "expires":
            events.append(EXPIRES)
        else:
            whole = draw(st.sampled_from(["{}", '{"a":1}', '{"b":"}"}']))
            arguments = whole if kind == "call" else whole[:-1]
            at = draw(st.integers(0, len(arguments)))
            events += [call(index, arguments[:at]), piece(index, arguments[at:])]
            index += 1
    return [*events, USAGE, draw(st.sampled_from([STOP, CALLS, Finished("length")]))]


OPTIONS = st.fixed_dictionaries(
    {
        "stop_after_tools": st.sampled_from(["off", "first", "burst"]),
        "suppress_tail": st.booleans(),
        "tool_block_max": st.integers(0, 3),
    }
)


def reads_of(events, cuts):
    """The events in reads, cut where *cuts* says and around each EXPIRES."""
    reads, read = [], []
    for number, event in enumerate(events):
        if event == EXPIRES:
            reads += [read, EXPIRES]
            read = []
            continue
        read.append(event)
        if number in cuts:
            reads.append(read)
            read = []
    return [*reads, read]


HEAD = AnswerHead("chatcmpl-1", 1_790_000_000, "m")


def as_streamed(told, reads):
    """What a client makes of the frames of an answer, told in pieces."""
    frames = ChatFrames(HEAD)
    answer = Answer()
    answer.fold(told)
    stream = b"".join(frames.frames(told[at : at + reads]) for at in range(0, len(told), reads))
    stream += frames.closing(answer.finishes or {0: "stop"}, USAGE)
    [choice] = collect(read_chunks(stream)).values()
    calls = [(each["name"], each["arguments"]) for each in choice["calls"]]
    return choice["strings"].get("content", ""), calls, choice["finish"]


def as_collected(told):
    """The same of the body of an answer that is told in one piece."""
    answer = Answer()
    answer.fold(told)
    answer.finishes = answer.finishes or {0: "stop"}
    answer.usage = USAGE
    [choice] = json.loads(chat_body(HEAD, answer))["choices"]
    message = choice["message"]
    calls = [(each["function"]["name"], each["function"]["arguments"]) for each in message.get("tool_calls", ())]
    return message["content"] or "", calls, choice["finish_reason"]


@given(answers(), OPTIONS, st.sets(st.integers(0, 30)), st.integers(1, 5))
def test_streamed_and_collected_answers_to_the_same_events_are_the_same(events, options, cuts, size):
    """However the reads are cut; and folding the frames gives the body."""
    one_by_one = Run(**options).told(*reads_of(events, set(range(40))))
    told = Run(**options).told(*reads_of(events, cuts))

    assert told == one_by_one
    assert as_streamed(told, size) == as_collected(told)


@given(answers(), OPTIONS)
def test_what_is_told_is_part_of_what_was_said_and_ends_once(events, options):
    run = Run(**options)
    told = run.told(*reads_of(events, set(range(40))))
    said = [event for event in events if event != EXPIRES]

    assert sum(isinstance(event, Finished) for event in told) == 1
    assert isinstance(told[-1], Finished)
    assert all(event in said for event in told[:-1])
    for kind in (TextDelta, ToolCallDelta, ReasoningDelta):
        left = iter([event for event in said if isinstance(event, kind)])
        assert all(event in left for event in told if isinstance(event, kind)), "in order, none twice"
