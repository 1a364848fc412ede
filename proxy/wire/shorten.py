"""The middle of a text that is too long is left out, and it is said how much."""

HEAD_SHARE = 0.6
MARK = "\n[… {} characters left out …]\n"


def shortened(text: str, keep_chars: int) -> str:
    """The beginning and the end of *text*, *keep_chars* together, and between them how much is missing."""
    missing = len(text) - keep_chars
    mark = MARK.format(missing)
    if missing <= len(mark):
        return text
    head = int(keep_chars * HEAD_SHARE)
    return f"{text[:head]}{mark}{text[len(text) - (keep_chars - head) :]}"
