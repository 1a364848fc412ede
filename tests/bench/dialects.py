"""What decoding costs: µs of CPU per chunk of 200 bytes, in plain text and inside a call, for each dialect.

    python -m tests.bench.dialects [--quick]

The goals are 3 µs in plain text and 20 µs inside a call.  *A file* is one long value,
*short arguments* are many.
"""

import json
import sys
import time
from collections.abc import Sequence

from proxy.dialects import DIALECTS, DialectOptions, PastCall, Tool, Toolset
from proxy.wire.events import TextDelta

CHUNK_CHARS = 200
PROPERTIES = {f"field_{number}": {"type": "string"} for number in range(400)}
TOOLS = Toolset(
    tuple(
        Tool(
            name,
            "",
            {"type": "object", "properties": {"path": {"type": "string"}, "body": {"type": "string"}, **PROPERTIES}},
        )
        for name in ("save", "load", "note")
    )
)
PROSE = (
    "The gateway stands between clients and upstreams; what it is told it tells, and nothing is lost on the way. "
    "Where text may become a call it waits, and where it can't it goes on: so says the law, and so it is done here. "
)
CODE = "def note(title: str) -> None:\n    print(f'{title}: {len(title)} characters')  # <b> is not special\n\n"


def chunks(text: str) -> list[list[TextDelta]]:
    return [[TextDelta(text[at : at + CHUNK_CHARS])] for at in range(0, len(text), CHUNK_CHARS)]


def cost_us(dialect: str, pieces: Sequence[list[TextDelta]], rounds: int) -> float:
    """CPU per chunk, the least of some rounds; what comes before and after the chunks counts, too."""
    best = float("inf")
    for _ in range(rounds):
        decoder = DIALECTS[dialect].decoder(TOOLS, DialectOptions())
        began = time.process_time_ns()
        for piece in pieces:
            decoder.feed(piece)
        decoder.end()
        best = min(best, (time.process_time_ns() - began) / len(pieces) / 1000)
    return best


def main(*, quick: bool) -> None:
    """Print a table."""
    size, rounds = (40_000, 3) if quick else (400_000, 7)
    file = {"path": "a.py", "body": CODE * (size // len(CODE))}
    short = {name: f"value {number}" for number, name in enumerate(PROPERTIES)}
    sys.stdout.write("| dialect | plain text | code as text | in a call: a file | in a call: short arguments |" + "\n")
    sys.stdout.write("|---|--:|--:|--:|--:|" + "\n")
    for dialect in DIALECTS:
        calls = [
            DIALECTS[dialect].call_text(PastCall("save", json.dumps(each), TOOLS.tools[0])) for each in (file, short)
        ]
        texts = (PROSE * (size // len(PROSE)), CODE * (size // len(CODE)), *calls)
        figures = " | ".join(f"{cost_us(dialect, chunks(text), rounds):.1f}" for text in texts)
        sys.stdout.write(f"| {dialect} | {figures} |" + "\n")


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
