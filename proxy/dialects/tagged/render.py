"""Past calls as the model would have written them."""

from collections.abc import Iterable

from proxy.dialects.port import PastCall
from proxy.dialects.schema import ToolSchema, load, members_of
from proxy.dialects.tagged.grammar import CDATA, CDATA_END, SPLIT_END
from proxy.dialects.tagged.values import NULL, streams


def members(call: PastCall) -> list[tuple[str, str]] | None:
    """The arguments of a past call, each value as JSON; None if they are no object."""
    try:
        return members_of(call.arguments)
    except ValueError:
        return None


def value_text(json_text: str, tags: Iterable[str], *, typed: bool) -> str:
    """A value as it stands between its tags: a string as it is, if that can be read back, anything else as JSON.

    *tags*: what may not stand in it.  *typed*: the schema says that it is a string.
    """
    if not json_text.startswith('"'):
        tagged = any(tag in json_text for tag in tags)
        return json_text.replace("<", "\\u003c") if tagged else json_text  # in JSON it stands in strings alone
    text: str = load(json_text)
    if text.startswith(CDATA) or any(tag in text for tag in tags) or means_something(text, typed=typed):
        return f"{CDATA}{text.replace(CDATA_END, SPLIT_END)}{CDATA_END}"
    return between_line_ends(text)


def means_something(text: str, *, typed: bool) -> bool:
    """Whether a string would be read as something else."""
    if typed:
        return text == NULL
    try:
        load(text)
    except ValueError:
        return text.strip().lower() in ("true", "false")
    return True


def between_line_ends(text: str) -> str:
    """*text*, with line ends around it if it has some itself: those next to a tag do not count."""
    if "\n" not in text and not text.endswith("\r"):
        return text
    return f"\n{text}\r\n" if text.endswith("\r") else f"\n{text}\n"


def is_string(call: PastCall, name: str) -> bool:
    """Whether a parameter is known to be a string, whatever it holds."""
    if call.tool is None:
        return True  # better a string that is read as a number than numbers in CDATA sections everywhere
    return streams(ToolSchema(call.tool.parameters).shape(name))
