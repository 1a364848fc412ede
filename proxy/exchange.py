"""Exchange: one request, from its first byte to its end.

It holds what the handlers have found out so far; its `state` is written by the chart's machine alone.  Whatever must be
given back at the end is registered with `on_end` at the moment when it is taken.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.budget import Fitted
from proxy.course import Course
from proxy.deadline import Clock, Deadline
from proxy.dialects import Decoder
from proxy.dialects.controls import Controls
from proxy.errors import ConversationLost, CredentialStale, SessionLost, TurnstileError
from proxy.ports import Caller, Client, Conversation, Node, Override, Release, Route, UpstreamCall
from proxy.wire.answer import Answer, AnswerHead, FrameRenderer, Surface
from proxy.wire.events import StreamEvent
from proxy.wire.request import ChatRequest, ControlHeaders
from proxy.wire.splice import Splice
from statechart.chart import INITIAL
from statechart.vocabulary import Event, Facts, State

NOTHING_ASKED = ControlHeaders()


@dataclass(slots=True)
class Step:
    """One firing: at *t_ns* (monotonic nanoseconds) *event* led from *source* to *target*."""

    t_ns: int
    source: State
    event: Event
    target: State


class Exchange:
    """One request's walk; slotted, never registered with the machine.

    The fields under the name of a state are set by that state, and are there from then on: to read one before is a bug,
    and raises AttributeError.
    """

    __slots__ = (
        "_releases",
        "accepted_ns",
        "accepted_s",
        "answer",
        "asked_controls",
        "assured",
        "call",
        "caller",
        "client",
        "clock",
        "continued",
        "controls",
        "conversation",
        "course",
        "created",
        "deadline",
        "decoder",
        "failure",
        "finishes",
        "first_delta_s",
        "fits",
        "fitted",
        "frames",
        "head",
        "node",
        "notes",
        "override",
        "pending",
        "reauths",
        "received_s",
        "replayed",
        "request",
        "request_id",
        "resumed",
        "route",
        "session_id",
        "slot",
        "splice",
        "state",
        "surface",
        "told_status",
        "trace",
        "upstream_request_id",
    )

    # validate
    request: ChatRequest
    route: Route | None  # None: no entry serves the model, and `auth` says so to those who may ask
    session_id: str | None  # the conversation that the caller names
    assured: bool  # a stream is collected first, so that a cut can be mended
    # auth
    caller: Caller
    # session
    conversation: Conversation
    course: Course
    fitted: Fitted  # what is told to whoever was asked last
    # upstream
    decoder: Decoder
    answer: Answer
    frames: FrameRenderer
    head: AnswerHead
    # tool_parse
    finishes: dict[int, str]
    node: Node | None  # where the upstream keeps this answer, for the next turn

    def __init__(self, client: Client, clock: Clock, request_id: str, surface: Surface) -> None:
        self.state: State = INITIAL
        self.client = client
        self.clock = clock
        self.request_id = request_id
        self.surface = surface
        self.accepted_s = clock.now()
        self.received_s = self.accepted_s  # when the last byte of the request had come
        self.accepted_ns = time.monotonic_ns()
        self.created = int(clock.wall())
        self.deadline = Deadline(clock)
        self.trace: list[Step] = []
        self.failure: TurnstileError | None = None
        self.fits: dict[tuple[str, bool], Fitted] = {}  # by candidate, and whether it is the one to be asked first
        self.override: Override | None = None  # where the call goes, where callers may say so
        self.asked_controls = NOTHING_ASKED
        self.told_status = 0
        # what an attempt leaves behind, until the next one
        self.call: UpstreamCall | None = None
        self.slot: Release | None = None
        self.pending: Sequence[StreamEvent] = ()
        self.splice: Splice | None = None
        self.continued = False  # the call was told only what is new
        self.notes: dict[str, str] = {}  # what adapters want to know again in the next attempt
        self.controls: Controls | None = None  # of the answer under way, where any are asked for
        self.upstream_request_id: str | None = None
        self.first_delta_s: float | None = None
        # what may happen once, or is counted
        self.reauths = 0
        self.replayed = False
        self.resumed = 0
        self._releases: list[Release] = []

    # --- the chart's side

    def facts(self) -> Facts:
        """What the guards may look at, as of now."""
        failure, course = self.failure, self.course
        left_s = self.deadline.left_s("total")
        return Facts(
            live_stream=self.request.stream and not self.assured,
            reauth_left=self.may_renew(failure),
            replay_left=self.continued and not self.replayed,
            history_missing=isinstance(failure, SessionLost),
            retryable=failure is not None and failure.retryable,
            attempt_left=failure is not None and course.may_repeat(failure, left_s),
            falls_back=failure is not None and failure.falls_back,
            candidate_left=course.others_left,
            emitted=self.emitted,
            resume_enabled=course.candidates[0].entry.resume,
            text_only_sent=self.emitted and self.answer.text_only,
        )

    def entered(self, source: State, event: Event, target: State) -> None:
        """The machine's one hook: stamps the trace."""
        self.trace.append(Step(time.monotonic_ns(), source, event, target))

    def failed(self, error: TurnstileError) -> TurnstileError:
        """Close the attempt that went wrong, and keep what is to be told of it: *error*, or what that must not hide."""
        if isinstance(error, CredentialStale) and not self.may_renew(error):
            error = error.for_good()
        self.failure = error
        course: Course | None = getattr(self, "course", None)
        if course is None:
            return error
        if error.turn_refused and course.attempts and course.attempts[-1].status is None:
            self.conversation.refused()
        course.close_attempt(self.clock.now(), error)
        if self.may_renew(error) or (isinstance(error, ConversationLost) and self.continued and not self.replayed):
            course.forgive()
        hidden = course.hidden_by(error, self.deadline.left_s("total"))
        if hidden is not None and self.state is State.UPSTREAM:
            course.give_up()
            self.failure = hidden
        return self.failure

    # --- derived

    def may_renew(self, failure: TurnstileError | None) -> bool:
        """Whether *failure* is mended by renewing the credential."""
        return isinstance(failure, CredentialStale) and self.reauths < failure.recoveries

    @property
    def emitted(self) -> bool:
        """Whether a delta of the answer has left for the caller."""
        frames: FrameRenderer | None = getattr(self, "frames", None)
        return frames is not None and frames.emitted

    @property
    def closed(self) -> bool:
        """Whether the end mark of a stream was written: it may have left, and nothing may follow it."""
        frames: FrameRenderer | None = getattr(self, "frames", None)
        return frames is not None and frames.closed

    @property
    def path(self) -> str:
        """The states walked through, like `validate>auth>…>done`."""
        return ">".join([INITIAL, *(step.target for step in self.trace)])

    # --- taking and giving back

    def on_end(self, release: Release) -> None:
        """Have *release* called when the request has ended, the latest registered first."""
        self._releases.append(release)

    def keep(self, release: Release) -> Release:
        """Take *release* out of what is called when the request has ended, and give it to whoever goes on."""
        self._releases.remove(release)
        return release

    def drop_call(self) -> None:
        """Let go of the upstream call, its slot and its clocks, if there are any: a call under way is cancelled."""
        self.deadline.stop_all_but("total")
        call, self.call = self.call, None
        if call is not None:
            call.close()
        slot, self.slot = self.slot, None
        if slot is not None:
            slot()

    def give_back(self) -> None:
        """Stop the clocks, cancel the upstream call, give everything back: once, on entering a terminal state."""
        self.deadline.close()
        self.drop_call()
        while self._releases:
            self._releases.pop()()
