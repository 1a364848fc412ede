"""session: find the conversation and take its lease; settle which candidates may be asked, and with how much."""

from dataclasses import replace
from zlib import crc32

from proxy.course import Course
from proxy.errors import ConversationLost, TurnstileError
from proxy.exchange import Exchange
from proxy.ports import FRESH, Candidate, Ports, Route
from proxy.states.fitting import fit_candidates
from proxy.wire.request import text_of
from statechart.vocabulary import Event


async def session(x: Exchange, ports: Ports) -> Event:
    """Plan the turn.

    Comes a second time when the upstream has lost the conversation: then the whole history is told anew.
    """
    assert x.route is not None  # `auth` has seen to it  # noqa: S101 - narrows the type, and is a bug if it fails
    if isinstance(x.failure, ConversationLost):
        x.replayed = True
        x.drop_call()
        x.conversation.forget()
    else:
        allowed = tuple(c for i, c in enumerate(x.route.candidates) if i == 0 or x.caller.may_use(c.model_id))
        if x.override is not None and x.override.named:
            allowed = (elsewhere(allowed[0]),)
        x.course = Course(allowed, ports.retry, turn_of(x, x.route))
        x.deadline.run_until("total", x.accepted_s, x.course.place.clocks.total)
        x.deadline.start("lease", ports.lease_wait_s)
        x.conversation = await ports.sessions.take(
            x.caller,
            x.request,
            x.course.candidate,
            x.course.place,
            session_id=x.session_id,
            headers=x.client.head.headers,
        )
        x.deadline.stop("lease")
        x.on_end(x.conversation.release)
    fit_candidates(x)
    if not x.replayed:
        x.course.bound = x.conversation.status == "hit" and x.course.place.upstream.keeps != "nothing"
    return Event.PLANNED


class Unheard:
    """The health of a host that a caller has named: it is no word about the upstream, and nobody listens."""

    rests = False

    def wait_s(self) -> float:
        """It may always be called."""
        return 0.0

    def enter(self) -> "Unheard":
        """Begin a call."""
        return self

    def answered(self) -> None:
        """Nobody listens."""

    def leave(self, error: TurnstileError | None) -> None:
        """Nobody listens."""


def elsewhere(candidate: Candidate) -> Candidate:
    """The candidate where the caller wants it to be: nobody else stands in for it."""
    return replace(candidate, places=tuple(replace(place, health=Unheard()) for place in candidate.places))


def turn_of(x: Exchange, route: Route) -> int:
    """Which upstream of an entry comes first: they take turns, but a conversation stays where it is kept.

    The beginning of a conversation is what does not change while it grows, so that is what it goes by.
    """
    if x.session_id is not None and x.session_id != FRESH:
        return crc32(x.session_id.encode())
    places = route.candidates[0].places
    if len(places) == 1 or all(place.upstream.keeps == "nothing" for place in places):
        return next(route.turns)
    first = next((text_of(message) for message in x.request.messages if message["role"] == "user"), "")
    return crc32(f"{x.caller.name} {first}".encode("utf-8", "surrogatepass"))
