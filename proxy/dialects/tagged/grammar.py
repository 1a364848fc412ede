"""What the tagged dialects differ in: the tags of a call and of its parameters."""

import re
from typing import NamedTuple, Protocol

from proxy.dialects.reader import Reader, Steps

CDATA, CDATA_END = "<![CDATA[", "]]>"
SPLIT_END = "]]]]><![CDATA[>"
"""How `]]>` is written inside a CDATA section: as the end of one, and the beginning of another; XML 1.0 §2.7."""

LINE_END = re.compile(r"\r?\n[ \t]*\Z")  # with the blanks that indent the tag behind it
FIRST_LINE_END = re.compile(r"\A\r?\n")


class Tags(NamedTuple):
    """What can end the value of one parameter, or seem to.

    *value*: the parameter's closing tag; *call*: the call's.  *words*: what such tags, and those that open calls or
    parameters, begin with.
    """

    value: str
    call: str
    words: tuple[str, ...]


class Grammar(Protocol):
    """The tags of the calls of one tool."""

    wrapper_end: str  # what may stand behind a call; "": nothing
    forgetful: bool  # a parameter may begin on a new line, though the one before has no closing tag

    def tags(self, parameter: str) -> Tags:
        """What can end the value of *parameter*."""

    def opens_call(self, tag: str) -> bool:
        """Whether a call begins with *tag*, which then needs its own end."""

    def opened(self, tag: str) -> str | None:
        """The parameter that *tag* opens, declared or not."""

    def closed(self, tag: str) -> str | None:
        """What *tag* closes: a parameter, or "" for any; None for another tag."""

    def closer(self, parameter: str) -> str:
        """What `closed` says of the tag that closes *parameter*."""

    def read_on(self, reader: Reader, tag: str) -> Steps[str]:
        """Read the rest of what *tag* is the beginning of, and give all of it."""


def trimmed(text: str) -> str:
    """*text* without the line end before its closing tag, and the blanks that indent that tag."""
    found = LINE_END.search(text)
    return text[: found.start()] if found else text


def element_text(text: str) -> str:
    """*text*, which stood between two tags, without the line ends next to them."""
    return trimmed(FIRST_LINE_END.sub("", text))


def unsplit(text: str) -> str:
    """What the inside of a CDATA section says."""
    return text.replace(SPLIT_END, CDATA_END)
