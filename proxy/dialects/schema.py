"""Values typed by the schema that a tool declares, never by what they look like.

Only what decides about a value's type is read of a schema: `type`, unions, `enum`, `const`, and where `$ref` leads
inside the same schema.  A remote `$ref` is never followed, and says nothing.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
_MAX_STEPS = 32  # from reference to reference, or from union to union: more is a circle

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")  # 5.0, which is an integer to JSON schema
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def dump(value: Any) -> str:
    """*value* as compact JSON, non-ASCII unescaped; a lone surrogate becomes U+FFFD, since no wire takes one."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        return orjson.dumps(_clean(value)).decode()


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_clean(key): _clean(each) for key, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list) else value


def load(text: str) -> Any:
    """The value of a strict JSON text.  Raises ValueError for anything else, nesting that is too deep included."""
    try:
        return orjson.loads(text)
    except UnicodeEncodeError as error:  # a lone surrogate
        raise ValueError from error


_SPACES = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)  # of numbers only the end matters: no digit is computed


def members_of(text: str) -> list[tuple[str, str]]:
    """The members of the JSON object that *text* is, in order, each value as it is written.

    Raises ValueError for anything else.
    """
    if not isinstance(load(text), dict):
        raise ValueError  # noqa: TRY004 - one error for all that is no JSON object
    members = []
    at = _after_space(text, _after_space(text, 0) + 1)
    try:
        while text[at] != "}":
            key, at = _DECODER.raw_decode(text, at)
            start = _after_space(text, _after_space(text, at) + 1)
            _value, end = _DECODER.raw_decode(text, start)
            members.append((key, text[start:end]))
            at = _after_space(text, end)
            if text[at] == ",":
                at = _after_space(text, at + 1)
    except RecursionError as error:
        raise ValueError from error
    return members


def items_of(text: str) -> list[str]:
    """The items of the JSON array that *text* is, each as it is written.  Raises ValueError for anything else."""
    if not isinstance(load(text), list):
        raise ValueError  # noqa: TRY004 - one error for all that is no JSON array
    items = []
    at = _after_space(text, _after_space(text, 0) + 1)
    try:
        while text[at] != "]":
            _value, end = _DECODER.raw_decode(text, at)
            items.append(text[at:end])
            at = _after_space(text, end)
            if text[at] == ",":
                at = _after_space(text, at + 1)
    except RecursionError as error:
        raise ValueError from error
    return items


def _after_space(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    return found.end() if found else at


def object_of(members: Iterable[tuple[str, str]]) -> str:
    """The JSON object with these members, whose values are JSON already."""
    return "{" + ",".join(f"{dump(name)}:{value}" for name, value in members) + "}"


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


def typed_text(text: str, shape: Shape | None) -> str:
    """The JSON of a value that was written as plain *text*; one that does not fit its *shape* stays a string.

    *shape* is None for a parameter that is not declared.
    """
    if shape is None:
        return dump(text)
    trimmed = text.strip()
    for member in shape.enum or ():
        if trimmed == (member if isinstance(member, str) else dump(member)):
            return dump(member)
    types = shape.types or (ANYTHING if shape.enum is None else frozenset())
    if "string" in types:
        return "null" if text == "null" and "null" in types else dump(text)
    if "boolean" in types and trimmed.lower() in ("true", "false"):
        return trimmed.lower()
    told = literal_of(trimmed, types) or json_of(trimmed, types)
    if told is None and types & {"array", "object"}:
        told = nested_elements(trimmed, shape)
    return dump(text) if told is None else told


def typed_json(raw: str, shape: Shape | None, *, bare: bool = False) -> str:
    """The JSON of a value that came as the JSON *raw*; *bare*: as text without quotes, *raw* being its JSON string.

    Strings become what alone the schema allows, if they are exactly that; nothing else is changed.
    """
    types = shape.types if shape else frozenset()
    if raw[:1] == '"':
        text: str = load(raw)
        if "string" in types or not (types or bare):
            return raw
        told = literal_of(text, types or TYPES)
        return told or json_of(text, types) or raw
    if types == {"string"} and raw[:1] not in "[{n":
        return dump(raw)
    return raw


# --- values written as elements

_TAG = re.compile(r"<(/?)([A-Za-z_][A-Za-z0-9_.:-]*)>")
_MAX_DEPTH = 64  # of elements; the reading of a shape goes less deep


@dataclass(slots=True)
class _Element:
    name: str
    children: list["_Element"] = field(default_factory=list)
    text: str = ""


def nested_elements(text: str, shape: Shape) -> str | None:
    """The JSON of a value written as well-formed elements, read by *shape*; None if *text* is something else."""
    root = _Element("")
    path, at = [root], 0
    for tag in _TAG.finditer(text):
        between, at = text[at : tag.start()], tag.end()
        here = path[-1]
        if tag[1]:
            if len(path) == 1 or here.name != tag[2] or (here.children and between.strip()):
                return None
            here.text = between
            path.pop()
        elif between.strip() or len(path) > _MAX_DEPTH:
            return None
        else:
            here.children.append(_Element(tag[2]))
            path.append(here.children[-1])
    if len(path) > 1 or not root.children or text[at:].strip():
        return None
    return _element_json(root, shape)


def _element_json(element: _Element, shape: Shape | None) -> str | None:
    """As an array, whose items are the children, or as an object, where a repeated child must be an array."""
    if not element.children:
        return typed_text(element.text, shape or UNKNOWN)
    types = shape.types if shape else frozenset()
    if shape and "array" in types:
        items = [_element_json(child, shape.items) for child in element.children]
        return None if None in items else f"[{','.join(item for item in items if item)}]"
    if types and "object" not in types:
        return None
    members: dict[str, list[str]] = {}
    for child in element.children:
        inner = shape.properties.get(child.name) if shape else None
        repeated = inner.items if inner and "array" in inner.types and not child.children else inner
        told = _element_json(child, repeated)
        if told is None:
            return None
        members.setdefault(child.name, []).append(told)
    parts = []
    for name, values in members.items():
        inner = shape.properties.get(name) if shape else None
        many = inner is not None and "array" in inner.types and not values[0].startswith("[")
        if len(values) > 1 and not many:
            return None
        parts.append(f"{dump(name)}:[{','.join(values)}]" if many else f"{dump(name)}:{values[0]}")
    return "{" + ",".join(parts) + "}"
