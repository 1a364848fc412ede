"""Call ids: the model's own where it may be used, else new ones; never one twice, never one of the request's."""

import re
import secrets
import string
from collections.abc import Callable, Iterable

ALPHANUMERICS = string.ascii_letters + string.digits
_PREFIX = "call_"
_NO_ID_CHARACTER = re.compile(r"[^A-Za-z0-9_-]")
_MAX_ID_CHARS = 64  # official servers refuse longer ones in a history


def make_call_id() -> str:
    """`call_` and 24 random letters and digits."""
    number = secrets.randbits(192)  # many more bits than the letters take, so that each is as likely as another
    letters = []
    for _ in range(24):
        number, letter = divmod(number, len(ALPHANUMERICS))
        letters.append(ALPHANUMERICS[letter])
    return _PREFIX + "".join(letters)


class CallIds:
    """The ids of one answer; *taken* are those that the request's messages hold: models like to write `call_1`."""

    __slots__ = ("_make", "_used")

    def __init__(self, taken: Iterable[str] = (), make: Callable[[], str] = make_call_id) -> None:
        self._used = set(taken)
        self._make = make

    def settle(self, theirs: str | None = None) -> str:
        """The id to tell for a call to which the model gave *theirs*, or none."""
        chosen = _NO_ID_CHARACTER.sub("", theirs or "")
        if chosen and not chosen.startswith(_PREFIX):
            chosen = _PREFIX + chosen
        if chosen in ("", _PREFIX) or len(chosen) > _MAX_ID_CHARS or chosen in self._used:
            chosen = self._make()
            while chosen in self._used:
                chosen = self._make()
        self._used.add(chosen)
        return chosen
