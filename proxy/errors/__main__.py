"""`python -m proxy.errors`: every error as Markdown, made from the tree; `--update FILE` brings a page up to date.

Exit codes: 0 all is well; 1 the page can't be brought up to date, and one line says why.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from inspect import cleandoc
from pathlib import Path

from proxy.errors import REQUEST_CODES, TurnstileError, caller, error_classes, ours, upstream, upstream_said

BEGIN = "<!-- The rest is made by `python -m proxy.errors --update docs/errors.md`. -->\n"

TREE = (
    (caller, "The caller's fault"),
    (upstream, "The upstream's fault"),
    (upstream_said, "What the upstream may say"),
    (ours, "Our own"),
)
"""The parts of the tree, each with the heading of its table."""

_HEAD = """\
| Code | Status | Type | Ends as | Same again | Elsewhere | Breaker | When |
|---|--:|---|---|:-:|:-:|:-:|---|"""


def reference() -> str:
    """A table for each part of the tree, a row for each class; then the codes that checking a body gives."""
    return "\n\n".join(_blocks()) + "\n"


def updated(document: str) -> str:
    """*document* with the reference after its mark brought up to date.  Raises ValueError when the mark is missing."""
    before, mark, _ = document.partition(BEGIN)
    if not mark:
        raise ValueError(f"the line {BEGIN.strip()!r} is missing")
    return f"{before}{mark}\n{reference()}"


def _blocks() -> Iterator[str]:
    for part, heading in TREE:
        rows = [_row(cls) for cls in error_classes() if cls.__module__ == part.__name__]
        yield "\n".join([f"## {heading}", "", _HEAD, *rows])
    yield "## What checking a body can say"
    yield "All with status 400; `param` names the field."
    yield "\n".join(f"- `{code}`" for code in sorted(REQUEST_CODES))


def _row(cls: type[TurnstileError]) -> str:
    consequences = ("yes" if is_so else "" for is_so in (cls.retryable, cls.falls_back, cls.trips_breaker))
    meaning = " ".join(cleandoc(cls.__doc__ or "").split())
    cells = (f"`{cls.code}`", str(cls.status), f"`{cls.type}`", f"`{cls.end_reason}`", *consequences, meaning)
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the reference, or bring a page up to date; *arguments* are by default those of the process."""
    parser = ArgumentParser(prog="python -m proxy.errors", description="Every error as Markdown.")
    parser.add_argument("--update", metavar="FILE", type=Path, help="bring the reference in a page up to date instead")
    page: Path | None = parser.parse_args(arguments).update
    if page is None:
        sys.stdout.write(reference())
        return 0
    try:
        page.write_text(updated(page.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"cannot update {page}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
