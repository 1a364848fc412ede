"""`turnstile sessions list | show | delete`: conversations, by fingerprints; no id and no text is told.

Exit codes: 0 all is well; 1 there is no such conversation, or the store can't be asked.
"""

import asyncio
import os
import sys
import time
from argparse import Namespace
from collections.abc import Sequence

from proxy.clock import LoopClock
from proxy.config import Settings
from proxy.sessions.listing import Summary, conversations
from proxy.sessions.opening import open_store
from proxy.sessions.store import RecordStore, StoreFailed

MOST_LOOKED_AT = 100_000
IN_MEMORY = "the store is in a daemon's memory, where nobody else can look (session.store)"
_HEAD = ("SESSION", "CALLER", "UPSTREAM", "MODEL", "TURNS", "USED", "AGE")


def run(args: Namespace, settings: Settings) -> int:
    """One of the actions, on the configured store; raises OSError when it can't be opened."""
    if settings.session.store.reveal() == "memory:":
        return _refuse(IN_MEMORY)
    return asyncio.run(_run(args, settings))


async def _run(args: Namespace, settings: Settings) -> int:
    store = open_store(settings.session, clock=LoopClock(), environ=os.environ)
    try:
        found = await conversations(store, None, MOST_LOOKED_AT)
        chosen = [each for each in found if _is_meant(each, args, settings)]
        if args.action == "list":
            sys.stdout.write(_table(chosen))
            return 0
        if not chosen:
            return _refuse("there is no such conversation")
        if args.action == "delete":
            return await _delete(store, chosen)
        sys.stdout.write("".join(_shown(each) for each in chosen))
    except StoreFailed as failed:
        return _refuse(f"the store can't be asked: {failed}")
    finally:
        await store.close()
    return 0


def _is_meant(summary: Summary, args: Namespace, settings: Settings) -> bool:
    if args.caller is not None:
        fingerprints = {key.key.fingerprint for key in settings.auth.keys if key.name == args.caller}
        if summary.head.caller not in fingerprints | {args.caller}:
            return False
    return args.session is None or summary.group.startswith(args.session)


async def _delete(store: RecordStore, chosen: Sequence[Summary]) -> int:
    deleted = sum([await store.delete(each.partition, each.group) for each in chosen])
    sys.stdout.write(f"deleted {deleted}\n")
    return 0


def _table(found: Sequence[Summary]) -> str:
    rows = [_HEAD, *(_row(each) for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )


def _row(each: Summary) -> tuple[str, ...]:
    head = each.head
    used, age = (_ago(then_ms) for then_ms in (head.updated_ms, head.created_ms))
    return (each.fingerprint, head.caller, head.upstream, head.model, str(head.turns), used, age)


def _shown(each: Summary) -> str:
    fields = {name.lower(): cell for name, cell in zip(_HEAD, _row(each), strict=True)}
    fields |= {"records": str(each.records), "state": _state(each)}
    return "".join(f"{name:<9} {value}\n" for name, value in fields.items()) + "\n"


def _state(each: Summary) -> str:
    return "a turn was left open" if each.head.open else "whole"


def _ago(then_ms: int) -> str:
    seconds = max(0, int(time.time() - then_ms / 1000))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _refuse(line: str) -> int:
    sys.stderr.write(f"turnstile: {line}\n")
    return 1
