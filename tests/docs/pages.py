"""The documentation as data: its pages, their headings, links, blocks and code spans."""

import re
from functools import cache
from pathlib import Path

from tests.architecture.checkout import ROOT

DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")


@cache
def text(page: Path) -> str:
    """All of a page."""
    return page.read_text(encoding="utf-8")


@cache
def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text(page))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks in one language."""
    return [found for name, found in FENCE.findall(text(page)) if name == language]


def links(markdown: str) -> list[str]:
    """Where links and pictures lead."""
    return LINK.findall(markdown)


def anchors(page: Path) -> set[str]:
    """What a link may name after `#`: each heading in lower case, blanks as hyphens, without punctuation."""
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower()).replace(" ", "-")
        for heading in HEADING.findall(prose(page))
    }
