"""An answer, read and checked as its bytes come: the HTTP framing, then what stands in the body.

A fault is a short description of the first thing wrong, None while nothing is.
"""

import re

import orjson

from tests.bench.upstream import ANSWER, ANSWER_TOKENS, StreamPlan

SIZE_LINE = re.compile(rb"([0-9a-fA-F]+)[^\r\n]*\r\n")
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
MALFORMED = (ValueError, LookupError, TypeError, AttributeError)  # what reading JSON of another shape raises


class ResponseReader:
    """One HTTP/1.1 response.  *complete* once its framing says that the body has ended."""

    def __init__(self) -> None:
        self.status = 0
        self.complete = False
        self._rest = b""
        self._left_bytes: int | None = None  # None: a chunked body

    def feed(self, data: bytes) -> bytes:
        """Return the body bytes that are whole with *data*; ValueError on what is not HTTP."""
        self._rest += data
        if self.status == 0 and not self._read_head():
            return b""
        return self._read_chunks() if self._left_bytes is None else self._read_sized(self._left_bytes)

    def _read_head(self) -> bool:
        head, blank_line, rest = self._rest.partition(b"\r\n\r\n")
        if not blank_line:
            return False
        self.status, self._rest = int(head[9:12]), rest
        if found := CONTENT_LENGTH.search(head):
            self._left_bytes = int(found[1])
        return True

    def _read_sized(self, left_bytes: int) -> bytes:
        body, self._rest = self._rest[:left_bytes], self._rest[left_bytes:]
        self._left_bytes = left_bytes - len(body)
        self.complete = self._left_bytes == 0
        return body

    def _read_chunks(self) -> bytes:
        body: list[bytes] = []
        start = 0
        while not self.complete and (size_line := SIZE_LINE.match(self._rest, start)):
            size_bytes = int(size_line[1], 16)
            end = size_line.end() + size_bytes
            if len(self._rest) < end + 2:
                break
            if self._rest[end : end + 2] != b"\r\n":
                raise ValueError("a chunk is not as long as its size line says")
            body.append(self._rest[size_line.end() : end])
            start, self.complete = end + 2, size_bytes == 0
        self._rest = self._rest[start:]
        return b"".join(body)


def completion_fault(body: bytes) -> str | None:
    """Hold the body of an answer that is not streamed against the upstream's only one."""
    try:
        answer = orjson.loads(body)
        text = answer["choices"][0]["message"]["content"]
        counts = answer["usage"]["completion_tokens"]
    except MALFORMED as error:
        return f"a malformed completion: {error!r}"
    return None if (text, counts) == (ANSWER, ANSWER_TOKENS) else "another answer than the upstream's"


class StreamCheck:
    """Holds the body of a streamed answer against its plan.  *gaps_s*: the times between one content and the next."""

    def __init__(self, plan: StreamPlan) -> None:
        self.gaps_s: list[float] = []
        self._plan = plan
        self._expected = plan.text
        self._at = 0
        self._last_s: float | None = None
        self._line = b""
        self._fault: str | None = None
        self._finished = self._counted = self._done = False

    def feed(self, body: bytes, now_s: float) -> None:
        """Check the events that are whole with *body*, which came at *now_s*."""
        *lines, self._line = (self._line + body).split(b"\n")
        for line in lines:
            if line.startswith(b"data:") and self._fault is None:
                try:
                    self._fault = self._event_fault(line[5:].strip(), now_s)
                except MALFORMED as error:
                    self._fault = f"a malformed event: {error!r}"

    def fault(self) -> str | None:
        """Return what is wrong with the answer, now that its body has ended."""
        if self._fault:
            return self._fault
        if self._at < len(self._expected):
            return "content cut short"
        if not self._finished:
            return "no finish_reason"
        if not self._counted:
            return "no usage, or a wrong one"
        return None if self._done else "no [DONE]"

    def _event_fault(self, payload: bytes, now_s: float) -> str | None:
        if self._done:
            return "an event after [DONE]"
        if payload == b"[DONE]":
            self._done = True
            return None
        chunk = orjson.loads(payload)
        if "error" in chunk:
            return f"an error frame: {chunk['error']}"
        if counts := chunk.get("usage"):
            self._counted = counts["completion_tokens"] == self._plan.chunks
        for choice in chunk["choices"]:
            if text := choice["delta"].get("content"):
                if self._finished or not self._expected.startswith(text, self._at):
                    return "content lost, repeated or out of order"
                self._at += len(text)
                self._note_gap(now_s)
            self._finished = self._finished or choice["finish_reason"] == "stop"
        return None

    def _note_gap(self, now_s: float) -> None:
        if self._last_s is not None:
            self.gaps_s.append(now_s - self._last_s)
        self._last_s = now_s
