"""Bytes to values and back: pure, no input or output.  What callers send, what they get, what upstreams say."""
