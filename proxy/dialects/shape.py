"""Shape: what a declared schema says of a value's type.

Only what decides about that is read of a schema: `type`, unions, `enum`, `const`, and where `$ref` leads inside the
same schema.  A remote `$ref` is never followed, and says nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.dialects.json_text import dump, load

TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
_MAX_STEPS = 32  # from reference to reference, or from union to union: more is a circle

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")  # 5.0, which is an integer to JSON schema
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a schema says of a value's type.

    *types*: those allowed; empty = it does not say.  *enum*: the values allowed, None = it does not say.
    """

    types: frozenset[str] = frozenset()
    enum: tuple[Any, ...] | None = None
    properties: Mapping[str, "Shape"] = field(default_factory=dict)
    items: "Shape | None" = None


UNKNOWN = Shape()


@dataclass(slots=True)
class ToolSchema:
    """The parameters of one tool, read when they are first asked for."""

    parameters: Mapping[str, Any]
    _shapes: dict[str, Shape] = field(default_factory=dict)
    _properties: Mapping[str, Any] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The declared parameters, in order."""
        return tuple(self._declared())

    def shape(self, name: str) -> Shape | None:
        """What is declared of a parameter; None for one that is not declared."""
        if name not in self._shapes:
            declared = self._declared()
            if name not in declared:
                return None
            self._shapes[name] = shape_of(declared[name], self.parameters)
        return self._shapes[name]

    def _declared(self) -> Mapping[str, Any]:
        if self._properties is None:
            self._properties = properties_of(resolved(self.parameters, self.parameters), self.parameters)
        return self._properties


def resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """*schema*, or what its `$ref` means inside *root*; an empty one where that can't be told."""
    for _ in range(_MAX_STEPS):
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        schema = _pointed_at(reference, root)
    return {}


def _pointed_at(reference: str, root: Mapping[str, Any]) -> Any:
    """What a JSON pointer in a fragment leads to; RFC 6901 §6."""
    if not reference.startswith("#"):
        return None
    found: Any = root
    for part in reference[1:].split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isascii() and key.isdigit() and len(key) < 6 and int(key) < len(found):
            found = found[int(key)]
        else:
            found = found.get(key) if isinstance(found, Mapping) else None
    return found


def properties_of(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """The declared properties of an object, those of its `allOf` included."""
    own = schema.get("properties")
    found = dict(own) if isinstance(own, Mapping) else {}
    if depth < _MAX_STEPS and isinstance(parts := schema.get("allOf"), list):
        for part in parts:
            found |= properties_of(resolved(part, root), root, depth + 1)
    return found


def shape_of(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Shape:
    """What *schema* says of a value's type; references are resolved in *root*."""
    schema = resolved(schema, root)
    if depth > _MAX_STEPS // 4 or not schema:
        return UNKNOWN
    enum = _enum_of(schema)
    types = _own_types(schema)
    for union in ("anyOf", "oneOf"):
        branches = schema.get(union)
        if isinstance(branches, list) and branches:
            shapes = [shape_of(branch, root, depth + 1) for branch in branches]
            types |= _union(shapes)
            if enum is None and all(shape.enum is not None for shape in shapes):
                enum = tuple(value for shape in shapes for value in shape.enum or ())
    for part in schema["allOf"] if isinstance(schema.get("allOf"), list) else ():
        shape = shape_of(part, root, depth + 1)
        types = (types & shape.types if types and shape.types else types) or types or shape.types
        enum = shape.enum if enum is None else enum
    if not types:
        types = _told_by_keywords(schema, enum)
    if schema.get("nullable") is True and types:
        types |= {"null"}
    declared = properties_of(schema, root) if "object" in types else {}
    return Shape(
        types,
        enum,
        {name: shape_of(each, root, depth + 1) for name, each in declared.items()},
        shape_of(schema["items"], root, depth + 1) if "array" in types and "items" in schema else None,
    )


def _own_types(schema: Mapping[str, Any]) -> frozenset[str]:
    told = schema.get("type")
    return frozenset(each for each in (told if isinstance(told, list) else [told]) if isinstance(each, str)) & TYPES


def _union(shapes: list[Shape]) -> frozenset[str]:
    """The types of all branches; nothing is known if one of them does not say."""
    if any(not shape.types for shape in shapes):
        return frozenset()
    return frozenset().union(*(shape.types for shape in shapes))


def _enum_of(schema: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if "const" in schema:
        return (schema["const"],)
    enum = schema.get("enum")
    return tuple(enum) if isinstance(enum, list) else None


def _told_by_keywords(schema: Mapping[str, Any], enum: tuple[Any, ...] | None) -> frozenset[str]:
    if "properties" in schema:
        return frozenset({"object"})
    if "items" in schema:
        return frozenset({"array"})
    return frozenset(type_of(value) for value in enum or ())


def type_of(value: Any) -> str:
    """The JSON type of a decoded value."""
    match value:
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "null"


def literal_of(text: str, types: frozenset[str]) -> str | None:
    """*text* if it is exactly a JSON number, boolean or null that *types* allow, its digits as they are."""
    if ("number" in types and _NUMBER.fullmatch(text)) or ("integer" in types and _INTEGER.fullmatch(text)):
        return text
    if "integer" in types and (whole := _WHOLE.fullmatch(text)):
        return whole[1]
    if ("boolean" in types and text in ("true", "false")) or ("null" in types and text == "null"):
        return text
    return None


def json_of(text: str, types: frozenset[str]) -> str | None:
    """*text* without the space around it, if it is the JSON of an array or object that *types* allow."""
    trimmed = text.strip()
    wanted = {"[": "array", "{": "object"}.get(trimmed[:1])
    if wanted is None or wanted not in types:
        return None
    try:
        load(trimmed)
    except ValueError:
        return None
    return trimmed


ANYTHING = TYPES - {"string"}


def scalar_text(text: str, shape: Shape) -> str | None:
    """The JSON of *text* by its *shape*, JSON arrays and objects included; None if it does not fit."""
    trimmed = text.strip()
    for member in shape.enum or ():
        if trimmed == (member if isinstance(member, str) else dump(member)):
            return dump(member)
    types = shape.types or (ANYTHING if shape.enum is None else frozenset())
    if "string" in types:
        return "null" if text == "null" and "null" in types else dump(text)
    if "boolean" in types and trimmed.lower() in ("true", "false"):
        return trimmed.lower()
    return literal_of(trimmed, types) or json_of(trimmed, types)
