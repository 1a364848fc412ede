"""The private session chat site: how a turn is laid out for it, and how its answers are read."""

from proxy.wire.mix.classes import Phrases, Told, fault_of_text, http_fault
from proxy.wire.mix.ids import Ids
from proxy.wire.mix.layout import LABELS, Labels, Layout, full_text, lay_out
from proxy.wire.mix.reader import MixReader
from proxy.wire.mix.whole import read_whole

__all__ = [
    "LABELS",
    "Ids",
    "Labels",
    "Layout",
    "MixReader",
    "Phrases",
    "Told",
    "fault_of_text",
    "full_text",
    "http_fault",
    "lay_out",
    "read_whole",
]
