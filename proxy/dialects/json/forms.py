"""The forms of a call in JSON: an object that is a call, an item, a wrapper or the answer; a list of them.

What comes is ruled out as soon as it can't be any of these: by its first key, by a name that no tool bears, and so on.
Whatever is left is read as whole values, and looked at when the object has closed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache

from proxy.dialects.json.items import ARGUMENTS, CALL_KEYS, DECLARES, IDS, Call, Item, Said, Tools, text_of
from proxy.dialects.json.values import SPACES, Value, read_value
from proxy.dialects.reader import Mismatch, Reader, Steps
from proxy.dialects.schema import dump, load

WRAPPERS = ("tool_call", "tool_calls", "function_call")
WRAPPER_KEYS = (*WRAPPERS, "role", "content")
FIRST_KEYS = (*WRAPPERS, "function", "name", *ARGUMENTS, "id", "type", "role", "content", "final")
FORMS = {  # what may stand beside what
    "call": frozenset(CALL_KEYS),
    "item": frozenset((*IDS, "type", "index", "function")),
    "wrapper": frozenset((*IDS, "type", "index", *WRAPPER_KEYS, "final")),
    "answer": frozenset(("final",)),
}
QUOTES = ('"', "'")


@cache
def keys_of(forms: frozenset[str]) -> tuple[str, ...]:
    """The keys that one of *forms* knows."""
    return tuple(sorted(frozenset().union(*(FORMS[form] for form in forms))))


@dataclass(slots=True)
class Seen:
    """What has been read of an object."""

    bare: bool  # it stands in the text, not in a list or a tag: arguments are needed
    marked: bool  # it stands in a tag, so that more keys than those known are no sign of data
    forms: frozenset[str]
    values: dict[str, Value] = field(default_factory=dict)
    name: str | None = None
    cut: bool = False

    @property
    def takes_more(self) -> bool:
        """Whether keys that nobody knows may stand there: behind those that say what it is."""
        if self.forms == {"wrapper"}:
            return any(key in self.values for key in WRAPPER_KEYS)
        return self.marked and ("name" in self.values or "function" in self.values)

    def narrow(self, key: str) -> bool:
        """Whether forms know another *key*: only they are left.  Raises `Mismatch` where it may not stand."""
        if key in self.values or (key in ARGUMENTS and not self.values.keys().isdisjoint(ARGUMENTS)):
            raise Mismatch
        left = frozenset(form for form in self.forms if key in FORMS[form])
        if not left and (not self.takes_more or key in DECLARES):
            raise Mismatch
        self.forms = left or self.forms
        return bool(left)


class FormReader:
    """Reads objects and lists; *names* are those of the tools, *final*: whether the answer's own form is read."""

    def __init__(self, reader: Reader, tools: Tools, *, final: bool) -> None:
        self._reader = reader
        self._tools = tools
        self._names = tuple(tools.schemas)
        self._first_keys = FIRST_KEYS if final else FIRST_KEYS[:-1]
        self._forms = frozenset(FORMS) if final else frozenset(FORMS) - {"answer"}

    def read_list(self, *, marked: bool = False) -> Steps[list[Item]]:
        """Read a list of objects; *marked*: in a tag."""
        reader = self._reader
        reader.at += 1
        items: list[Item] = []
        while True:
            yield from reader.skip(SPACES)
            char = yield from reader.peek()
            if char == "]" and items:
                break
            yield from reader.expect("{")
            items += yield from self.read_object(marked=marked)
            yield from reader.skip(SPACES)
            char = yield from reader.peek()
            if char == "]" or (not char and reader.settled):
                break
            yield from reader.expect(",")
        reader.at += len(char)
        return items

    def read_object(self, *, bare: bool = False, marked: bool = False) -> Steps[list[Item]]:
        """Read an object behind its opener; *bare*: it stands in the text, *marked*: in a tag."""
        reader = self._reader
        seen = Seen(bare, marked, self._forms)
        while True:
            yield from reader.skip(SPACES)
            if (yield from reader.peek()) == "}" and seen.values:  # behind a comma
                reader.at += 1
                break
            yield from self._member(seen)
            yield from reader.skip(SPACES)
            char = yield from reader.peek()
            if char == "}":
                reader.at += 1
                break
            if not char:
                self._may_end(seen)
                break
            yield from reader.expect(",")
        return self._meaning(seen)

    def _may_end(self, seen: Seen) -> None:
        """The answer has ended before the closer: that is well only behind closed arguments."""
        if not self._reader.settled or seen.values.keys().isdisjoint((*ARGUMENTS, *WRAPPERS, "function")):
            raise Mismatch
        seen.cut = True

    # --- members

    def _member(self, seen: Seen) -> Steps[None]:
        reader = self._reader
        first = not seen.values
        key = yield from self._key(seen)
        known = seen.narrow(key)
        yield from reader.skip(SPACES)
        yield from reader.expect(":")
        yield from reader.skip(SPACES)
        if not known:
            yield from read_value(reader)
            return
        value = yield from self._value(key, first=first)
        if value.cut and any(key in ARGUMENTS for key in (key, *value.open_keys)):
            raise Mismatch  # the arguments themselves are cut
        seen.cut = seen.cut or value.cut
        seen.values[key] = value
        if key == "name":
            seen.name = load(value.text)

    def _key(self, seen: Seen) -> Steps[str]:
        reader = self._reader
        char = yield from reader.peek()
        quote = char if char in QUOTES else ""
        if not quote and not seen.values:
            raise Mismatch
        reader.at += len(quote)
        if seen.values and seen.takes_more:
            return (yield from self._any_key(quote))
        key = yield from reader.word(self._possible_keys(seen))
        char = yield from reader.peek()
        if quote:
            yield from reader.expect(quote)
        elif char not in (":", " ", "\t", "\r", "\n"):
            raise Mismatch
        return key

    def _any_key(self, quote: str) -> Steps[str]:
        """A key that may be any; one without quotes is a word."""
        reader = self._reader
        if quote:
            reader.at -= 1
            return str(load((yield from read_value(reader)).text))
        key = ""
        while (char := (yield from reader.peek())) and (char.isalnum() or char in "_-$"):
            key += char
            reader.at += 1
        if not key:
            raise Mismatch
        return key

    def _possible_keys(self, seen: Seen) -> Iterable[str]:
        return keys_of(seen.forms) if seen.values else self._first_keys

    def _value(self, key: str, *, first: bool) -> Steps[Value]:
        reader = self._reader
        char = yield from reader.peek()
        match key:
            case "name":
                return (yield from self._one_of(self._names))
            case "type":
                return (yield from self._one_of(("function",)))
            case "role":
                return (yield from self._one_of(("assistant",)))
            case "id" | "tool_call_id" | "toolCallId" if char not in QUOTES:
                raise Mismatch
            case "arguments" | "parameters" if not char or char not in "{\"'nN":
                raise Mismatch
            case "content" if first:
                return (yield from self._nothing())
        return (yield from read_value(reader))

    def _one_of(self, words: tuple[str, ...]) -> Steps[Value]:
        """A string that is one of *words*; ruled out at its first other character."""
        reader = self._reader
        quote = yield from reader.peek()
        if quote not in QUOTES:
            raise Mismatch
        reader.at += 1
        word = yield from reader.word(words)
        yield from reader.expect(quote)
        if word not in words:
            raise Mismatch
        return Value(f"{quote}{word}{quote}", dump(word))

    def _nothing(self) -> Steps[Value]:
        """Null or an empty string: what else an object begins with as its content is an ordinary answer."""
        reader = self._reader
        char = yield from reader.peek()
        if char in QUOTES:
            reader.at += 1
            yield from reader.expect(char)
            return Value(char * 2, '""')
        word = yield from reader.word(("null", "None"))
        if word not in ("null", "None"):
            raise Mismatch
        return Value(word, "null")

    # --- the end

    def _meaning(self, seen: Seen) -> list[Item]:
        """What the object says; raises `Mismatch` if that is nothing."""
        values = seen.values
        if seen.name is not None:
            return [self._call(seen)]
        if "function" in values:
            value = values["function"]
            call = self._tools.call(value.text, value.raw, arguments_needed=seen.cut, only_named=True)
            if call is None:
                raise Mismatch
            return [call._replace(theirs=_id_in(values) or call.theirs)]
        items: list[Item] = []
        for key, value in values.items():
            if key in WRAPPERS:
                if not (key == "tool_calls" and value.text == "null"):
                    whole = replace(value, cut=True) if seen.cut else value
                    items += self._tools.calls(whole, several=key == "tool_calls")
            elif key == "content":
                items += [Said(text)] if (text := text_of(value)) else []
            elif key == "final" and len(self._first_keys) == len(FIRST_KEYS):
                items.append(Said(text_of(value)))
        told = any(isinstance(item, Call) for item in items)
        if not seen.cut:
            told = told or "final" in values or _says(values)
        if not told:
            raise Mismatch
        return items

    def _call(self, seen: Seen) -> Call:
        values = seen.values
        given = next((values[key] for key in ARGUMENTS if key in values), None)
        if seen.name is None or (given is None and (seen.bare or seen.cut)):
            raise Mismatch
        text, raw = (given.text, given.raw) if given else (None, "")
        arguments = self._tools.arguments(seen.name, text, raw)
        if arguments is None:
            raise Mismatch
        return Call(seen.name, arguments, _id_in(values) or None)


def _id_in(values: dict[str, Value]) -> str:
    return next((load(values[key].text) for key in IDS if key in values), "")


def _says(values: dict[str, Value]) -> bool:
    return "content" in values and bool(text_of(values["content"]))
