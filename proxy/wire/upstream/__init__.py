"""What upstreams of Chat Completions say, as normalised events: streams, JSON bodies, and errors.

`ChunkReader` reads a stream, `read_completion` a body, `fault_of` an error answer; `sniff` tells which it is.
`PayloadReader` serves the kinds whose streams hold other objects.
"""

from proxy.wire.upstream.chunks import ChunkReader
from proxy.wire.upstream.completion import read_completion
from proxy.wire.upstream.faults import fault_in_band, fault_of
from proxy.wire.upstream.payloads import PayloadReader
from proxy.wire.upstream.reading import Anomaly, CredentialMode, PieceMode
from proxy.wire.upstream.sniff import sniff

__all__ = [
    "Anomaly",
    "ChunkReader",
    "CredentialMode",
    "PayloadReader",
    "PieceMode",
    "fault_in_band",
    "fault_of",
    "read_completion",
    "sniff",
]
