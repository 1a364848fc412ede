"""The reference of all settings as Markdown, made from the tables themselves."""

from collections.abc import Iterator
from inspect import cleandoc
from ipaddress import IPv4Network
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from proxy.config.budget import Allowance, BudgetTable
from proxy.config.clocks import Clocks, ClockTable
from proxy.config.controls import Controls, ControlTable
from proxy.config.fields import NEEDS_RESTART, Section, Unit
from proxy.config.models import Model
from proxy.config.script import VERBS, TokenCounts
from proxy.config.secret import KeyDigest, Secret
from proxy.config.sections import Auth, Breaker, Key, Log, Retry, Server, Tools
from proxy.config.session import Session
from proxy.config.show import toml_value
from proxy.config.upstreams import (
    KINDS,
    CodexCredential,
    Credential,
    Dynamic,
    LabelTable,
    QwenCredential,
    UpstreamBase,
)

BEGIN = "<!-- The rest is made by `turnstile config reference --update docs/configuration.md`. -->\n"

_HEAD = "| Field | Type | Unit | Default | Environment | Meaning |\n|---|---|---|---|---|---|"
_TYPES = {
    int: "integer",
    float: "number",
    bool: "boolean",
    str: "string",
    Secret: "secret",
    KeyDigest: "secret",
    IPv4Network: "network",
    Any: "string or table",
}


def reference() -> str:
    """Every field of every table: type, unit, default, environment variable, meaning."""
    return "\n\n".join(_blocks()) + "\n"


def updated(document: str) -> str:
    """*document* with the reference after its mark brought up to date.  Raises ValueError when the mark is missing."""
    before, mark, _ = document.partition(BEGIN)
    if not mark:
        raise ValueError(f"the line {BEGIN.strip()!r} is missing")
    return f"{before}{mark}\n{reference()}"


def _blocks() -> Iterator[str]:
    yield _block("`[server]`", Server, "SERVER")
    yield _block("`[auth]`", Auth, "AUTH")
    yield _block("`auth.keys = [{ … }]`", Key, "AUTH__KEYS__0")
    yield _block("`[session]`", Session, "SESSION")
    yield _block("`[clocks]`", ClockTable, "CLOCKS")
    yield _block("`[budget]`", BudgetTable, "BUDGET")
    yield _block("`[controls]`", ControlTable, "CONTROLS")
    yield _block("`[retry]`", Retry, "RETRY")
    yield _block("`[breaker]`", Breaker, "BREAKER")
    yield _block("`[[upstreams]]`: every kind", UpstreamBase, "UPSTREAMS__0")
    for kind, upstream in KINDS.items():
        yield _block(f'`[[upstreams]]`: `kind = "{kind}"`', upstream, "UPSTREAMS__0", but=UpstreamBase)
    yield _block("`credential = { … }` of an upstream", Credential, "UPSTREAMS__0__CREDENTIAL")
    yield _block('`credential = { … }` of an upstream of `kind = "qwen"`', QwenCredential, "UPSTREAMS__0__CREDENTIAL")
    yield _block('`labels = { … }` of an upstream of `kind = "mix"`', LabelTable, "UPSTREAMS__0__LABELS")
    yield _block("`dynamic = { … }` of an upstream", Dynamic, "UPSTREAMS__0__DYNAMIC")
    yield _block('`credential = { … }` of an upstream of `kind = "codex"`', CodexCredential, "UPSTREAMS__0__CREDENTIAL")
    yield _steps()
    yield _block("`[[models]]`", Model, "MODELS__0")
    yield _block("`[tools]`", Tools, "TOOLS")
    yield _block("`[log]`", Log, "LOG")


def _block(title: str, section: type[Section], variables: str, *, but: type[Section] = Section) -> str:
    shared = () if section is ControlTable else ControlTable.model_fields.keys()  # come last where they stand as well
    rows = [
        _row(name, field, f"`TURNSTILE_{variables}__{name.upper()}`", _default(section, name, field))
        for name, field in sorted(section.model_fields.items(), key=lambda each: each[0] in shared)
        if name not in but.model_fields
    ]
    return "\n".join([f"## {title}", "", cleandoc(section.__doc__ or ""), "", _HEAD, *rows])


def _steps() -> str:
    """All verbs in one table, then what may stand beside them, each once."""
    rows: dict[str, str] = {}
    for verb, step in VERBS.items():
        rows[verb] = _row(verb, step.model_fields[verb], "", "")
    for step in VERBS.values():
        for name, field in step.model_fields.items():
            verbs = ", ".join(f"`{verb}`" for verb, other in VERBS.items() if name in other.model_fields)
            rows.setdefault(
                name, _row(name, field, "", _default(step, name, field), f"With {verbs}: {field.description}")
            )
    for name, field in TokenCounts.model_fields.items():
        rows[f"usage.{name}"] = _row(f"usage.{name}", field, "", _default(TokenCounts, name, field))
    intro = (
        f"A script is an array of steps.  A step is a table with exactly one verb: the first {len(VERBS)} fields here."
    )
    return "\n".join(["## Steps of a script", "", intro, "", _HEAD, *rows.values()])


def _row(name: str, field: FieldInfo, variable: str, default: str, meaning: str | None = None) -> str:
    units = [mark.name for mark in _marks(field) if isinstance(mark, Unit)]
    text = meaning or field.description or ""
    if NEEDS_RESTART in field.metadata:
        text += " Read at the start only."
    return f"| `{name}` | {_type(field.annotation)} | {''.join(units)} | {default} | {variable} | {text} |"


def _marks(field: FieldInfo) -> Iterator[Any]:
    yield from field.metadata
    for member in get_args(field.annotation):
        yield from getattr(member, "__metadata__", ())


def _default(section: type[Section], name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    in_force = {ClockTable: Clocks(), BudgetTable: Allowance(), ControlTable: Controls()}.get(section)
    value = getattr(in_force, name) if in_force else field.get_default(call_default_factory=True)
    return "unset" if value is None else f"`{toml_value(value)}`"


def _type(annotation: Any) -> str:
    """A type in the words of TOML."""
    members = [member for member in get_args(annotation) if member not in (type(None), Ellipsis)]
    if annotation in _TYPES:
        return _TYPES[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "table"
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(f"`{toml_value(member)}`" for member in members)
    if origin is tuple:
        return f"array of {_plural(_type(members[0]))}"
    if annotation == dict[str, Any]:
        return "table"
    if origin is dict:
        return f"table of {_plural(_type(members[1]))}"
    return _type(members[0])


def _plural(kind: str) -> str:
    return kind.replace("array", "arrays", 1) if kind.startswith("array") else f"{kind}s"
