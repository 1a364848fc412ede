"""The guards: pure predicates over `Facts`, named in the rows of the chart."""

from collections.abc import Callable

from statechart.vocabulary import Facts

Guard = Callable[[Facts], bool]


def always(_facts: Facts) -> bool:
    """The last row of every guarded cell."""
    return True


def live_stream(facts: Facts) -> bool:
    """Frames go out as events come in; otherwise the answer is collected first."""
    return facts.live_stream


def may_reauth(facts: Facts) -> bool:
    """The credential can be renewed once, as long as the caller has seen nothing."""
    return facts.reauth_left and not facts.emitted


def may_replay(facts: Facts) -> bool:
    """The conversation can be told anew once, as long as the caller has seen nothing."""
    return facts.replay_left and not facts.history_missing and not facts.emitted


def history_missing(facts: Facts) -> bool:
    """Nobody but the upstream had the history, and it is gone."""
    return facts.history_missing


def may_retry(facts: Facts) -> bool:
    """Another attempt is lawful, allowed by the failure, and within the budget."""
    again = facts.retryable and facts.attempt_left
    elsewhere = facts.falls_back and facts.candidate_left
    return (again or elsewhere) and not facts.emitted


def may_resume(facts: Facts) -> bool:
    """Another candidate may go on from the text already sent."""
    return facts.resume_enabled and facts.text_only_sent and facts.falls_back and facts.candidate_left


GUARDS: tuple[Guard, ...] = (always, live_stream, may_reauth, may_replay, history_missing, may_retry, may_resume)
