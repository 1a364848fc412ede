"""The settings in force, as TOML, with secrets masked."""

import json
import re
from collections.abc import Iterator
from typing import Any

from proxy.config.fields import Section
from proxy.config.settings import Settings

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(settings: Settings) -> str:
    """*settings* as a TOML document: what is unset is left out; `[clocks]` has the numbers that hold by default."""
    return "\n\n".join(_tables(settings)) + "\n"


def _tables(settings: Settings) -> Iterator[str]:
    in_force = settings.clocks_for()
    for name, value in _fields(settings).items():
        if name == "clocks":
            yield _table(f"[{name}]", {clock: getattr(in_force, clock) for clock in type(value).model_fields})
        elif isinstance(value, Section):
            yield _table(f"[{name}]", _fields(value))
        else:
            yield from (_table(f"[[{name}]]", _fields(element)) for element in value)


def _table(title: str, fields: dict[str, Any]) -> str:
    return "\n".join([title, *(f"{_key(name)} = {toml_value(value)}" for name, value in fields.items())])


def _fields(section: Section) -> dict[str, Any]:
    fields = {name: getattr(section, name) for name in type(section).model_fields}
    return {name: value for name, value in fields.items() if value is not None}


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _scalar(name)


def toml_value(value: Any) -> str:
    """A value on one line; what is none of TOML's own is shown as text."""
    match value:
        case Section():
            return toml_value(_fields(value))
        case dict():
            pairs = ", ".join(f"{_key(name)} = {toml_value(each)}" for name, each in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case tuple():
            return f"[{', '.join(toml_value(element) for element in value)}]"
        case bool() | int() | float() | str():
            return _scalar(value)
        case _:
            return _scalar(str(value))


def _scalar(value: Any) -> str:
    """A value as JSON has it, which is TOML but for an unescaped DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
