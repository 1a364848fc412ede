"""The site's ids, wherever they come: of the session, and of the exchange that an answer is."""

from collections.abc import Iterator
from typing import Any

JsonDict = dict[str, Any]

MAX_CHARS = 256
_SESSION = ("sessionId", "session_id")
_EXCHANGE = ("exchangeId", "exchange_id")
_MESSAGE = ("messageId", "message_id")


class Ids:
    """Collects the ids of one answer; the last that came counts.

    A message's id stands for the exchange's as long as no explicit one has come, and never for the session's.
    """

    def __init__(self, session_id: str | None = None) -> None:
        self.session_id = session_id
        self._exchange_id: str | None = None
        self._message_id: str | None = None

    @property
    def exchange_id(self) -> str | None:
        """The id of the exchange."""
        return self._exchange_id or self._message_id

    def take(self, told: JsonDict) -> bool:
        """Take what an object tells, itself or in its containers; gives whether anything is new."""
        before = (self.session_id, self.exchange_id)
        for place in containers(told):
            self.session_id = _first(place, _SESSION) or self.session_id
            self._exchange_id = _first(place, _EXCHANGE) or self._exchange_id
        self._message_id = _first(told, _MESSAGE) or self._message_id
        return before != (self.session_id, self.exchange_id)

    def told(self) -> dict[str, str]:
        """Those that are known, by name."""
        named = (("session_id", self.session_id), ("exchange_id", self.exchange_id))
        return {name: value for name, value in named if value is not None}

    def node(self, *, needs_exchange: bool, exchange_as_session: bool) -> dict[str, str] | None:
        """What a next turn goes on from; None if that can't be told."""
        session_id, exchange_id = self.session_id, self.exchange_id
        if session_id is None and exchange_as_session:
            session_id = exchange_id
        if session_id is None or (needs_exchange and exchange_id is None):
            return None
        return {"session_id": session_id} | ({"exchange_id": exchange_id} if exchange_id is not None else {})


def containers(told: JsonDict) -> Iterator[JsonDict]:
    """Where ids, usage and finish reasons may stand."""
    message = told.get("message")
    inner = message.get("metadata") if type(message) is dict else None
    for place in (told, inner, told.get("metadata"), told.get("messageMetadata")):
        if type(place) is dict:
            yield place


def _first(place: JsonDict, names: tuple[str, ...]) -> str | None:
    for name in names:
        value = place.get(name)
        if type(value) is int:
            return str(value)
        if type(value) is str and 1 <= len(value) <= MAX_CHARS:
            return value
    return None
