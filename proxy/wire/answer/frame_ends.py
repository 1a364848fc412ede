"""The ends of frames: all that follows what an event itself says, with an upstream's unknown keys spliced in.

A stream of thousands of deltas has one or two different ends, so they are made once and remembered by the Extras object
that they come from: a reader that hands on the same object costs one comparison a frame.
"""

from proxy.wire.answer.extras import STABLE, choice_logprobs, choice_members, chunk_members, delta_members
from proxy.wire.answer.json_out import dump, splice
from proxy.wire.events import Extras

END_OF_FRAME = b"}\n\n"


class FrameEnds:
    """Ends of the frames of one answer; *usage* is what each chunk says of usage, `,"usage":null` or nothing.

    *bare* ends a frame that is not of an event, and one of an event without extras: once known, the keys that hold for
    the whole answer are in each.  *full* is what `of` gives for *extras*, those of the last event that had any: whoever
    handles every chunk looks there before asking.  Without *has_delta* the surface has neither deltas nor log
    probabilities, and unknown keys pass at the top level only.
    """

    __slots__ = ("_alone", "_has_delta", "_stable", "_usage", "bare", "extras", "full")

    def __init__(self, usage: bytes, *, has_delta: bool) -> None:
        self._usage = usage
        self._has_delta = has_delta
        self._stable: dict[str, object] = {}
        self.extras: Extras | None = None
        self._alone: bytes | None = None
        self.bare = self.full = self.finish(b"null")

    def of(self, extras: Extras | None) -> bytes:
        """The end of an event's first frame, from after the event's own words in the delta."""
        if extras is None:
            return self.bare
        if extras is not self.extras:
            self._learn(extras)
        return self.full

    def alone(self, extras: Extras | None) -> bytes | None:
        """The same for a frame that says nothing else; None if there is nothing in the extras that needs a frame."""
        if extras is None:
            return None
        self.of(extras)
        return self._alone

    def finish(self, reason: bytes) -> bytes:
        """The end of a frame with a finish reason, given as JSON."""
        return self._end(b"", b"null", reason, b"", splice(self._stable))

    def after_choices(self) -> bytes:
        """The stable keys, then the end, for a frame that writes its choices and its usage itself."""
        return splice(self._stable) + END_OF_FRAME

    def _learn(self, extras: Extras) -> None:
        chunk = chunk_members(extras)
        told = self._stable
        self._stable = {**told, **{key: chunk[key] for key in STABLE if key in chunk}}
        if self._stable != told:
            self.bare = self.finish(b"null")
        delta = choice = b""
        logprobs = None
        if self._has_delta:
            delta, choice = splice(delta_members(extras)), splice(choice_members(extras))
            logprobs = choice_logprobs(extras)
        self.full = self._end(delta, dump(logprobs), b"null", choice, splice({**self._stable, **chunk}))
        self.extras = extras
        worth_a_frame = delta or logprobs or choice or chunk.keys() - STABLE
        self._alone = self.full.removeprefix(b",") if worth_a_frame else None

    def _end(self, delta: bytes, logprobs: bytes, reason: bytes, choice: bytes, chunk: bytes) -> bytes:
        close = b"}" if self._has_delta else b""
        parts = (delta, close, b',"logprobs":', logprobs, b',"finish_reason":', reason, choice, b"}]")
        return b"".join((*parts, self._usage, chunk, END_OF_FRAME))
