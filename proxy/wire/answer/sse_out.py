"""Server-sent events as they leave: `data:` lines and comments, nothing else.

No `event:`, `id:` or `retry:`: after these an official client reads the next blank line as an empty event, and fails.
"""

from collections.abc import Iterator

from proxy.wire.answer.head import AnswerHead
from proxy.wire.answer.json_out import dump

DATA = b"data: "
DONE = b"data: [DONE]\n\n"
PING = b": ping\n"  # one LF: a comment is a line, and a blank line would be an event of its own to some clients

PIECE_BYTES = 16 * 1024  # clients exist that read lines of at most 64 KiB
SHORT_CHARS = PIECE_BYTES // 4  # never longer than a piece, whatever the characters


def chunk_start(head: AnswerHead, object_name: bytes) -> bytes:
    """The beginning of every chunk of an answer, up to and with the bracket that opens its choices."""
    return b'%b{"id":%b,"object":"%b","created":%d,"model":%b,"choices":[' % (
        DATA,
        dump(head.id),
        object_name,
        head.created,
        dump(head.model),
    )


def pieces(text: str) -> Iterator[str]:
    """*text* in pieces of at most 16 KiB as UTF-8, cut between code points; one piece if it fits."""
    if len(text) <= SHORT_CHARS:
        yield text
        return
    raw = text.encode(errors="surrogatepass")
    at = 0
    while at < len(raw):
        end = at + PIECE_BYTES
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # a continuation byte: RFC 3629 §3
            end -= 1
        yield raw[at:end].decode(errors="surrogatepass")
        at = end
