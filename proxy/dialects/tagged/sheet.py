"""A tool on a few lines: what it does, and each of its parameters."""

from collections.abc import Mapping
from typing import Any

from proxy.dialects.port import Tool
from proxy.dialects.schema import TYPES, dump, properties_of, resolved
from proxy.dialects.words import on_one_line

_SAID = ("description", "title", "type", "default", "enum")  # what a line has words for, or says nothing new
_MAX_DEPTH = 64  # where references are still followed: orjson writes four times that
_MAX_NODES = 10_000  # of one parameter's schema: references to references may multiply without end


def tool_sheet(tool: Tool) -> str:
    """The tool as a heading, its description, and a line for each parameter, in the order declared."""
    root = tool.parameters
    lines = [f"## {tool.name}"]
    if description := on_one_line(tool.description):
        lines.append(description)
    schema = resolved(root, root)
    properties = properties_of(schema, root)
    required = schema.get("required")
    names = required if isinstance(required, list) else []
    lines += [_line(name, declared, root, required=name in names) for name, declared in properties.items()]
    if not properties:
        lines.append(f"No parameters. A call is <{tool.name}></{tool.name}>")
    return "\n".join(lines)


def _line(name: str, declared: Any, root: Mapping[str, Any], *, required: bool) -> str:
    schema = declared if isinstance(declared, Mapping) else {}
    told = schema.get("type")
    simple = isinstance(told, str) and told in TYPES - {"object", "array"}
    words = [told if isinstance(told, str) else "any", "required" if required else "optional"]
    whole = "$ref" in schema or not (simple or not set(schema) - set(_SAID))
    if not whole:
        if "default" in schema:
            words.append(f"default {dump(schema['default'])}")
        if isinstance(schema.get("enum"), list):
            words.append("one of " + ", ".join(map(dump, schema["enum"])))
        words += [f"{key} {dump(value)}" for key, value in schema.items() if key not in _SAID]
    says = [f"- {name} ({', '.join(words)})"]
    description = resolved(schema, root).get("description")
    if isinstance(description, str) and description.strip():
        says.append(on_one_line(description))
    if whole:
        shown = {key: value for key, value in inlined(schema, root).items() if key != "description"}
        says.append(f"JSON schema {dump(shown)}")
    return on_one_line(": ".join(says[:2]) + (f" {says[2]}" if says[2:] else ""))


def inlined(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """*schema* with what its references mean put in their place.

    A reference that leads back to itself stays, as do all once there is too much or too deep to write; then the
    definitions are added.
    """
    inliner = _Inliner(root)
    found = inliner.inlined(schema, (), 0)
    whole: dict[str, Any] = found if isinstance(found, dict) else {}
    if inliner.left_some:
        whole |= {key: root[key] for key in ("$defs", "definitions") if key in root}
    return whole


class _Inliner:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._room = _MAX_NODES
        self.left_some = False

    def inlined(self, value: Any, path: tuple[str, ...], depth: int) -> Any:
        self._room -= 1
        if isinstance(value, list):
            return [self.inlined(each, path, depth + 1) for each in value]
        if not isinstance(value, Mapping):
            return value
        reference = value.get("$ref")
        if not isinstance(reference, str):
            return {key: self.inlined(each, path, depth + 1) for key, each in value.items()}
        meant = resolved({"$ref": reference}, self._root)
        if reference in path or self._room < 0 or depth > _MAX_DEPTH or not meant:
            self.left_some = True
            return dict(value)
        beside = {key: each for key, each in value.items() if key != "$ref"}
        return self.inlined({**meant, **beside}, (*path, reference), depth + 1)
