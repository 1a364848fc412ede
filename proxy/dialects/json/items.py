"""What a JSON value means as a call: whole values in, calls and texts out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from proxy.dialects.json.values import Value, compact
from proxy.dialects.reader import Mismatch
from proxy.dialects.schema import ToolSchema, items_of, load, members_of, object_of, typed_json

ARGUMENTS = ("arguments", "parameters")
IDS = ("id", "tool_call_id", "toolCallId")
DECLARES = ("description", "strict")  # keys of a tool's declaration, which is no call of it
CALL_KEYS = ("name", *ARGUMENTS, *IDS, "type", "index")


class Call(NamedTuple):
    """One call; *theirs* is the id that the model gave it."""

    name: str
    arguments: str
    theirs: str | None = None


class Said(NamedTuple):
    """Text of the answer."""

    text: str


Item: TypeAlias = Call | Said


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools that may be called."""

    schemas: Mapping[str, ToolSchema]

    def arguments(self, name: str, text: str | None, raw: str) -> str | None:
        """A call's arguments as one JSON object, typed by the tool's schema; None if they are none.

        *text* is what came, as strict JSON, None for nothing; what stands in *raw* as it is needed no mending.
        """
        if text is None or text == "null":
            return "{}"
        if text[0] == '"':  # decoded once
            text = raw = load(text).strip()
            if not text:
                return "{}"
        if text[:1] != "{":
            return None
        try:
            members = members_of(text)
        except ValueError:
            return None
        schema = self.schemas[name]
        typed = [(key, typed_json(value, schema.shape(key))) for key, value in members]
        if typed != members:
            return object_of(typed)
        return text if text in raw else compact(text)

    def call(self, text: str, raw: str, *, arguments_needed: bool = False, only_named: bool = False) -> Call | None:
        """The call that a JSON value is, in plain form or as a native item (not with *only_named*)."""
        if text[:1] != "{":
            return None
        members = dict(members_of(text))
        if any(key in members for key in DECLARES):
            return None
        theirs = id_of(members)
        if theirs is None or members.get("type") not in (None, "null", '"function"'):
            return None
        if "function" in members and "name" not in members:
            if only_named:
                return None
            inner = self.call(members["function"], raw, arguments_needed=arguments_needed, only_named=True)
            return inner._replace(theirs=theirs or inner.theirs) if inner else None
        name = load(members.get("name", "null"))
        if not isinstance(name, str) or name not in self.schemas:
            return None
        given = next((members[key] for key in ARGUMENTS if key in members), None)
        if given is None and arguments_needed:
            return None
        arguments = self.arguments(name, given, raw)
        return None if arguments is None else Call(name, arguments, theirs or None)

    def calls(self, value: Value, *, several: bool) -> list[Item]:
        """What a member of a wrapper holds: one item, or with *several* a list; what is no call is text as it stands.

        Raises `Mismatch` if the end of the answer has left an item open that is no call yet.
        """
        items = [value.text]
        if several:
            if value.text[:1] != "[":
                return [Said(value.text)]
            items = items_of(value.text)
        found: list[Item] = []
        for number, item in enumerate(items):
            last_of_cut = value.cut and number == len(items) - 1
            call = self.call(item, value.raw, arguments_needed=last_of_cut)
            if call is None and last_of_cut:
                raise Mismatch
            found.append(call or Said(item))
        return found


def id_of(members: Mapping[str, str]) -> str | None:
    """The model's own id, "" without; None if there is one that is no string."""
    for key in IDS:
        if key in members:
            return load(members[key]) if members[key][0] == '"' else None
    return ""


def text_of(value: Value) -> str:
    """What a member that holds text says: its string, or its JSON; null says nothing."""
    if value.text == "null":
        return ""
    return load(value.text) if value.text[0] == '"' else value.text
