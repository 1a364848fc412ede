"""The log: structlog, on standard output; lines are gathered and written together.

A line per request costs a dictionary and one encoding.  Writing is put off by at most FLUSH_S, and done at once for
anything more severe than info, when much has gathered, and at the end of the process.
"""

import asyncio
import logging
import select
import sys
from datetime import UTC, datetime
from io import FileIO
from typing import Any

import orjson
import structlog

from proxy.config import Log

FLUSH_S = 0.05  # long enough to gather a busy moment, too short to be noticed by a reader
FLUSH_BYTES = 32 * 1024


class GatheredOutput:
    """A byte sink that writes many lines at once, past all buffers: what is left in one would fail at the exit."""

    def __init__(self, out: FileIO) -> None:
        self._out = out
        self._lines: list[bytes] = []
        self._size = 0
        self._due = False

    def line(self, line: bytes, *, now: bool) -> None:
        """Take one line, without its end; *now* asks for it to be written at once."""
        self._lines.append(line)
        self._size += len(line)
        if now or self._size >= FLUSH_BYTES:
            self.flush()
        elif not self._due:
            self._flush_later()

    def flush(self) -> None:
        """Write what has gathered."""
        self._due = False
        if not self._lines:
            return
        self._lines.append(b"")
        left, self._lines, self._size = memoryview(b"\n".join(self._lines)), [], 0
        try:
            while left:
                written = self._out.write(left)
                if written is None:  # somebody has made the terminal or pipe non-blocking
                    select.select([], [self._out], [])
                left = left[written or 0 :]
        except (BrokenPipeError, ValueError):
            return  # nobody reads the log any more, and there is nowhere to say so

    def _flush_later(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        self._due = True
        loop.call_later(FLUSH_S, self.flush)


class GatheredLogger:
    """What structlog hands a rendered line to."""

    def __init__(self, output: GatheredOutput) -> None:
        self._output = output

    def info(self, line: bytes | str) -> None:
        """A line that can wait."""
        self._output.line(line if isinstance(line, bytes) else line.encode(), now=False)

    def error(self, line: bytes | str) -> None:
        """A line that can't."""
        self._output.line(line if isinstance(line, bytes) else line.encode(), now=True)

    debug = info
    warning = warn = fatal = critical = exception = err = error


class LeanLogger:
    """What logs every request: as JSON, the line that structlog would make, at a third of the price."""

    def __init__(self, name: str) -> None:
        self._full = structlog.get_logger(name)
        self.output: GatheredOutput | None = None

    def info(self, event: str, **fields: Any) -> None:
        """One line."""
        if self.output is None:
            self._full.info(event, **fields)
            return
        escape(None, "info", fields)
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        self.output.line(json_line({**fields, "event": event, "level": "info", "timestamp": now}), now=False)


REQUESTS = LeanLogger("turnstile.requests")


def configure(settings: Log) -> GatheredOutput:
    """Set the process's log up; the answer is to be flushed at the end."""
    output = GatheredOutput(FileIO(sys.stdout.fileno(), "w", closefd=False))
    level = getattr(logging, settings.level.upper())
    REQUESTS.output = output if settings.format == "json" and level <= logging.INFO else None
    structlog.configure(
        processors=[
            escape,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderers(settings.format),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: GatheredLogger(output),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[StructlogHandler()], force=True)
    return output


def escape(_logger: Any, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape what does not print, such as line ends and terminal codes: a value that a caller sent stays a value."""
    for name, value in fields.items():
        if type(value) is str and not value.isprintable():
            fields[name] = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in value)
    return fields


def renderers(form: str) -> list[Any]:
    """The last processors: from a dictionary to one line."""
    match form:
        case "json":
            return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=json_line)]
        case "logfmt":
            return [
                structlog.processors.format_exc_info,
                structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False),
            ]
        case _:
            return [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]


def json_line(fields: dict[str, Any], **_options: Any) -> bytes:
    """One line of JSON."""
    return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS)


class StructlogHandler(logging.Handler):
    """Hands on what libraries log, so that the daemon has one log."""

    def emit(self, record: logging.LogRecord) -> None:
        """One record of the standard library's logging."""
        structlog.get_logger(record.name).log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
        )
