"""What a child writes to standard error: read all the time, cleaned, logged at DEBUG; never parsed, never told."""

import re
from collections.abc import Sequence

import structlog

from proxy.deadline import Clock
from proxy.upstreams.child.lines import LineSplitter, TooLong
from proxy.wire.upstream.redact import redact

MAX_LINE_BYTES = 4 * 1024
LINES_PER_WINDOW = 50
WINDOW_S = 10.0

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")  # ECMA-48 §5.4, §5.6

log = structlog.get_logger("turnstile.child")


class StderrLog:
    """The standard error of one child; *secrets* never leave it, whatever they look like."""

    def __init__(self, name: str, clock: Clock, secrets: Sequence[str] = ()) -> None:
        self._name = name
        self._clock = clock
        self._secrets = tuple(secret for secret in secrets if secret)
        self._lines = LineSplitter(MAX_LINE_BYTES)
        self._window_ends_s = 0.0
        self._left = 0
        self._dropped = 0

    def feed(self, data: bytes) -> None:
        """Log the lines that *data* completes."""
        for line in self._lines.feed(data):
            if self._may_log():
                log.debug("child.stderr", child=self._name, line=self._clean(line))

    def _may_log(self) -> bool:
        now_s = self._clock.now()
        if now_s >= self._window_ends_s:
            if self._dropped:
                log.debug("child.stderr_dropped", child=self._name, lines=self._dropped)
            self._window_ends_s, self._left, self._dropped = now_s + WINDOW_S, LINES_PER_WINDOW, 0
        self._left -= 1
        self._dropped += self._left < 0
        return self._left >= 0

    def _clean(self, line: bytes | TooLong) -> str:
        raw = line.head[:MAX_LINE_BYTES] if isinstance(line, TooLong) else line
        text = _ANSI.sub("", raw.decode("utf-8", "replace"))
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return redact(text)
