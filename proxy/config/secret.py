"""Secrets: found at load by reference, held so that no `repr`, log or dump shows them.

A reference is `env:NAME` or `file:PATH`; anything else is the secret itself.  A relative path starts at the folder of
the configuration file, and one line break at the end of the file is not part of the secret.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, ValidationInfo

from proxy.config.problems import kind_of, problem

_MASK = "********"
_FINGERPRINT_CHARS = 8


@dataclass(frozen=True, slots=True)
class Origin:
    """Where references are looked up: the environment, and the folder that relative paths start at."""

    environ: Mapping[str, str] = field(default_factory=dict)
    folder: Path = field(default_factory=Path)


class Secret:
    """A secret that must be told to an upstream; `reveal()` is the only way to it.

    As text it is what may be *shown* in its place: the reference that led to it, or a mask.
    """

    __slots__ = ("_shown", "_value")

    def __init__(self, value: str, shown: str = _MASK) -> None:
        self._value = value
        self._shown = shown

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"Secret({self._shown})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)


class KeyDigest:
    """What is kept of a gateway key: its SHA-256, by which a presented key can be recognised but not told.

    As text it is what may be *shown* in its place, as for `Secret`.
    """

    __slots__ = ("_digest", "_shown")

    def __init__(self, key: str, shown: str = _MASK) -> None:
        # Header text may hold undecodable bytes as surrogates: a key like that matches nothing, and must not raise.
        self._digest = sha256(key.encode("utf-8", "surrogatepass")).digest()
        self._shown = shown

    def matches(self, presented: str) -> bool:
        """Whether *presented* is the key; takes equally long wherever they differ."""
        return self == KeyDigest(presented)

    @property
    def fingerprint(self) -> str:
        """A few hexadecimal digits that tell keys apart in logs."""
        return self._digest.hex()[:_FINGERPRINT_CHARS]

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"KeyDigest({self.fingerprint})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyDigest) and compare_digest(self._digest, other._digest)

    def __hash__(self) -> int:
        return hash(self._digest)


def _resolve(value: Any, origin: Origin) -> tuple[str, str]:
    """The secret that *value* gives or refers to, and what may be shown in its place."""
    if not isinstance(value, str):
        raise problem(f"expected a string, got {kind_of(value)}")
    scheme, _, reference = value.partition(":")
    if scheme == "env":
        if reference not in origin.environ:
            raise problem(f"environment variable {reference!r} is not set")
        return _fit(origin.environ[reference], f"environment variable {reference!r}"), value
    if scheme == "file":
        try:
            text = origin.folder.joinpath(Path(reference).expanduser()).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise problem(f"file {reference!r} is not UTF-8 text") from None
        except (OSError, ValueError, RuntimeError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise problem(f"cannot read file {reference!r}: {reason.lower()}") from None
        return _fit(text.removesuffix("\n").removesuffix("\r"), f"file {reference!r}"), value
    return _fit(value, "the secret"), _MASK


def resolved_secret(value: Any, origin: Origin) -> Secret:
    """The secret that *value* gives or refers to."""
    return Secret(*_resolve(value, origin))


def _fit(secret: str, where: str) -> str:
    """*secret*, if it can stand in a header field."""
    if not secret:
        raise problem(f"{where} is empty")
    if not secret.isprintable():
        raise problem(f"{where} contains control characters or line breaks")
    return secret


def _validator(kind: Callable[[str, str], Any]) -> PlainValidator:
    def resolved(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, Secret | KeyDigest):
            return value
        return kind(*_resolve(value, info.context or Origin()))

    return PlainValidator(resolved)


def _key_digest(key: str, shown: str) -> KeyDigest:
    if not key.isascii() or " " in key:
        raise problem("a key is made of visible ASCII characters, since it comes in a header")
    return KeyDigest(key, shown)


def _tree(value: Any, info: ValidationInfo) -> Any:
    return _secret_leaves(value, info.context or Origin())


def _secret_leaves(value: Any, origin: Origin) -> Any:
    match value:
        case dict():
            return {str(name): _secret_leaves(each, origin) for name, each in value.items()}
        case list() | tuple():
            return tuple(_secret_leaves(each, origin) for each in value)
        case "":
            return Secret("", "")
        case str():
            return resolved_secret(value, origin)
        case bool() | int() | float() | Secret():
            return value
        case _:
            raise problem(f"expected strings, numbers and tables of them, got {kind_of(value)}")


def revealed(tree: Any) -> Any:
    """The JSON value that a tree of secrets stands for."""
    match tree:
        case Secret():
            return tree.reveal()
        case dict():
            return {name: revealed(each) for name, each in tree.items()}
        case tuple():
            return [revealed(each) for each in tree]
        case _:
            return tree


SecretTree: TypeAlias = Annotated[Any, PlainValidator(_tree)]
"""JSON whose texts are all secrets: each the text itself, or a reference to it."""
SecretField: TypeAlias = Annotated[Secret, _validator(Secret)]
KeyField: TypeAlias = Annotated[KeyDigest, _validator(_key_digest)]
