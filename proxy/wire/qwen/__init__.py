"""What is said to the Qwen web chat, and what it says: bodies, transcripts, streams, errors; values to values."""

from proxy.wire.qwen.faults import Clean, fault_of
from proxy.wire.qwen.models import SiteModel, read_models
from proxy.wire.qwen.reader import AnswerIds, Oddity, QwenReader
from proxy.wire.qwen.sending import BodyStyle, completion_body, new_chat_body, stop_body
from proxy.wire.qwen.telling import Telling, UntellablePart, tell_everything, tell_news
from proxy.wire.qwen.whole import Whole, read_chat_id, read_whole

__all__ = [
    "AnswerIds",
    "BodyStyle",
    "Clean",
    "Oddity",
    "QwenReader",
    "SiteModel",
    "Telling",
    "UntellablePart",
    "Whole",
    "completion_body",
    "fault_of",
    "new_chat_body",
    "read_chat_id",
    "read_models",
    "read_whole",
    "stop_body",
    "tell_everything",
    "tell_news",
]
