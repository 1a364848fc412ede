"""What a token endpoint answers: a token, and how long it lives, in the many forms in which that is told."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from math import inf, isfinite
from typing import Any

import orjson

TOKEN_FIELDS = ("access_token", "token", "id_token")
MAX_TOKEN_CHARS = 16 * 1024  # what servers take as one header field
LONGEST_LIFE_S = 10 * 365 * 86_400.0  # beyond it a number is no life of a token
FIRST_MS = 1e11  # an epoch from here on counts milliseconds: as seconds it would be the year 5138

_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, and the seconds from the sending of the request for which it lives; infinite = until it is refused."""

    token: str = field(repr=False)
    life_s: float = inf


def read_issued(body: bytes, *, token_field: str, expires_in_field: str, sent_wall_s: float) -> Issued | None:
    """Read a 2xx answer to a request that left at *sent_wall_s* (Unix seconds); None if there is no token in it.

    Shapes: `{"access_token": "…", "expires_in": 3600}`, or the same inside `data`.
    """
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(told) is not dict:
        return None
    inner = told.get("data")
    places = (told, inner) if type(inner) is dict else (told,)
    names = dict.fromkeys((token_field, *TOKEN_FIELDS))
    found = (place.get(name) for name in names for place in places)
    token = next((each for each in found if _is_token(each)), None)
    if token is None:
        return None
    lives = _lives(places, token, expires_in_field, sent_wall_s)
    return Issued(token, next((min(life, LONGEST_LIFE_S) for life in lives if life > 0), inf))


def _is_token(value: Any) -> bool:
    return type(value) is str and len(value) <= MAX_TOKEN_CHARS and _TOKEN.fullmatch(value) is not None


def _lives(places: tuple[dict[str, Any], ...], token: str, expires_in_field: str, wall_s: float) -> Iterator[float]:
    """The seconds that each form tells, in the order in which they count; 0 for what can't be used."""
    for name in dict.fromkeys((expires_in_field, "expires_in")):
        yield from (_number(place.get(name)) for place in places)
    for name in ("expires_at", "expiresAt", "exp"):
        yield from (_epoch_s(place.get(name)) - wall_s for place in places)
    yield _epoch_s(claim_exp(token)) - wall_s


def _number(value: Any) -> float:
    if type(value) is str:
        try:
            value = float(value)
        except ValueError:
            return 0.0
    return float(value) if type(value) in (int, float) and isfinite(value) else 0.0


def _epoch_s(value: Any) -> float:
    """Unix seconds of an epoch in seconds or milliseconds, or of a time as RFC 3339 writes it."""
    number = _number(value)
    if number:
        return number / 1000 if number >= FIRST_MS else number
    if type(value) is str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return 0.0
        return moment.timestamp() if moment.tzinfo is not None else 0.0
    return 0.0


def claim_exp(token: str) -> Any:
    """The claim `exp` of a token of three parts, which is only looked at, not verified.  RFC 7519 §4.1.4."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return claims.get("exp") if type(claims) is dict else None
