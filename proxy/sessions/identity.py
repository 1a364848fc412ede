"""Identity: which conversation a turn belongs to, settled before the store is asked."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from multidict import MultiMapping

from proxy.config import Session
from proxy.ports import FRESH, Caller, Candidate, Place
from proxy.sessions.canonical import canonical_messages
from proxy.sessions.keys import History, Owner, Scope, client_id, first_message_id, session_key, tail_of
from proxy.wire.request import ChatRequest, text_of

USER_FIELD = "user"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a turn shows of itself: who asks, for what, where it would go first, and the id that the caller gave."""

    caller: Caller
    request: ChatRequest
    candidate: Candidate
    place: Place
    session_id: str | None
    headers: MultiMapping[str]


@dataclass(frozen=True, slots=True)
class Identified:
    """Which conversation a turn belongs to, settled before the store is asked.

    *named*: the caller has named it; *fresh*: the caller asks for a new one; *linear*: it goes on whatever history the
    caller shows.  *standing* is the key of the conversation that the configuration gives to turns that name none, if
    it does.  *legacy_functions*: the caller is told calls the old way.  *scope_at* tells where a conversation at
    another place would be held.
    """

    owner: Owner
    scope: Scope
    history: History
    session_id: str
    named: bool
    fresh: bool
    linear: bool
    standing: str | None
    legacy_functions: bool
    scope_at: Callable[[Candidate, Place], Scope]

    @property
    def group(self) -> str:
        """The name of the group that its records stand in, and the key of its head."""
        return session_key(self.owner.partition, self.session_id)

    @property
    def reads(self) -> tuple[str, ...]:
        """The keys to look under, none for a conversation that can't be there yet; the first is the one to lease."""
        if self.fresh:
            return ()
        if self.standing is not None and not self.named:
            return (self.standing,)
        keys = [self.group] if self.named else []
        prefix = self.history.prefix
        if prefix is not None:
            if self.named:
                keys.append(self.scope.node_key(prefix, self.session_id))
            keys.append(self.scope.node_key(prefix))
        return tuple(keys)


def identify(settings: Session, asked: Asked, random: Random) -> Identified:
    """Which conversation it is: the caller's word, else the configuration's, else what was said."""
    request, headers = asked.request, asked.headers
    owner = owner_of(settings, asked.caller, headers, request.user)
    scope_at = partial(scope_of, owner.partition, request, headers)
    pieces = canonical_messages(request.messages, ignore_system=settings.ignore_system)
    standing = standing_id(settings, request, headers)
    fresh = asked.session_id == FRESH
    named = None if fresh else asked.session_id
    made = f"sess_{random.getrandbits(128):032x}" if fresh or standing is None else standing
    return Identified(
        owner=owner,
        scope=scope_at(asked.candidate, asked.place),
        history=History(pieces, tail_of(request.messages)),
        session_id=named or made,
        named=named is not None,
        fresh=fresh,
        linear=standing is not None and named is None,
        standing=session_key(owner.partition, standing) if standing is not None else None,
        legacy_functions=request.legacy_functions,
        scope_at=scope_at,
    )


def standing_id(settings: Session, request: ChatRequest, headers: MultiMapping[str]) -> str | None:
    """The id that the configuration gives to a turn that brings none."""
    match settings.key:
        case "history":
            return None
        case "client":
            named = headers.get(settings.key_header) if settings.key_header else None
            return client_id(named or product_of(headers.get("user-agent", "")))
        case "first_message":
            first = next((message for message in request.messages if message["role"] == "user"), None)
            return first_message_id(text_of(first) if first else "")


def owner_of(settings: Session, caller: Caller, headers: MultiMapping[str], user: str | None) -> Owner:
    """Whose conversations a request is about."""
    if not settings.end_user:
        return Owner(caller, "")
    return Owner(caller, (user if settings.end_user == USER_FIELD else headers.get(settings.end_user)) or "")


def scope_of(
    partition: str, request: ChatRequest, headers: MultiMapping[str], candidate: Candidate, place: Place
) -> Scope:
    """Where a conversation with a place is held."""
    return Scope(partition, candidate, place, place.upstream.scope(request, headers))


def product_of(user_agent: str) -> str:
    """The product that a user agent begins with, like `OpenAI/Python`; without its version.  RFC 9110 §10.1.5."""
    first = user_agent.split(" ", 1)[0]
    return first.rpartition("/")[0] or first
