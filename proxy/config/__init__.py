"""Configuration: one TOML file, every field also by environment variable, checked as a whole before anything starts."""

from proxy.config.budget import Allowance, BudgetTable
from proxy.config.checks import MAX_FALLBACK_LINKS
from proxy.config.clocks import Clocks, ClockTable
from proxy.config.controls import Controls
from proxy.config.load import load
from proxy.config.models import Model
from proxy.config.problems import ConfigError
from proxy.config.reload import changes_needing_restart
from proxy.config.script import (
    Call,
    Cut,
    Fail,
    Finish,
    Pause,
    Refuse,
    Report,
    Say,
    Script,
    Stall,
    Step,
    Think,
)
from proxy.config.secret import KeyDigest, Secret, revealed
from proxy.config.sections import Auth, Breaker, Key, Log, Retry, Server
from proxy.config.session import Session
from proxy.config.settings import Settings
from proxy.config.show import as_toml
from proxy.config.sources import find_file
from proxy.config.upstreams import (
    KINDS,
    CodexUpstream,
    Credential,
    Dynamic,
    MixUpstream,
    OpenAIUpstream,
    QwenCredential,
    QwenUpstream,
    ScriptedUpstream,
    Upstream,
)

__all__ = [
    "KINDS",
    "MAX_FALLBACK_LINKS",
    "Allowance",
    "Auth",
    "Breaker",
    "BudgetTable",
    "Call",
    "ClockTable",
    "Clocks",
    "CodexUpstream",
    "ConfigError",
    "Controls",
    "Credential",
    "Cut",
    "Dynamic",
    "Fail",
    "Finish",
    "Key",
    "KeyDigest",
    "Log",
    "MixUpstream",
    "Model",
    "OpenAIUpstream",
    "Pause",
    "QwenCredential",
    "QwenUpstream",
    "Refuse",
    "Report",
    "Retry",
    "Say",
    "Script",
    "ScriptedUpstream",
    "Secret",
    "Server",
    "Session",
    "Settings",
    "Stall",
    "Step",
    "Think",
    "Upstream",
    "as_toml",
    "changes_needing_restart",
    "find_file",
    "load",
    "revealed",
]
