from hypothesis import given
from hypothesis import strategies as st

from proxy.upstreams.child.lines import HEAD_BYTES, LineSplitter, TooLong

LINES = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=8)


@given(LINES, st.integers(1, 12))
def test_lines_are_the_same_however_the_reads_cut_them(lines, size):
    stream = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter(1000)

    found = [line for at in range(0, len(stream), size) for line in splitter.feed(stream[at : at + size])]

    assert found == [line for line in lines if line]
    assert not splitter.unfinished


@given(st.integers(1, 40))
def test_a_line_above_the_limit_is_told_once_and_the_next_one_is_whole(size):
    stream = b"short\n" + b"x" * 100 + b"\nafter\n"
    splitter = LineSplitter(20)

    found = [line for at in range(0, len(stream), size) for line in splitter.feed(stream[at : at + size])]

    assert [type(line) for line in found] == [bytes, TooLong, bytes]
    assert found[1].head.startswith(b"x" * 21)
    assert (found[0], found[2]) == (b"short", b"after")


def test_of_a_line_above_the_limit_little_is_kept():
    [line] = LineSplitter(10).feed(b"y" * 1_000_000)

    assert line == TooLong(b"y" * HEAD_BYTES)


def test_lines_of_many_megabytes_come_whole():
    """64 KiB is the limit of a stream reader, and no limit here."""
    line = b"z" * 3_000_000
    splitter = LineSplitter(4_000_000)

    found = [each for at in range(0, len(line), 65_536) for each in splitter.feed(line[at : at + 65_536])]

    assert found == []
    assert splitter.unfinished
    assert splitter.feed(b"\n") == [line]
