"""What a guard amounts to, by trying every valuation of the facts: guards are pure, and the facts are few."""

from functools import cache
from itertools import product

from statechart.guards import Guard
from statechart.vocabulary import Facts

VALUATIONS: tuple[Facts, ...] = tuple(Facts(*bits) for bits in product((False, True), repeat=len(Facts._fields)))
BUDGETS: tuple[str, ...] = tuple(fact for fact in Facts._fields if fact.endswith("_left"))


@cache
def holds(guard: Guard) -> frozenset[Facts]:
    """The valuations in which *guard* lets pass."""
    return frozenset(facts for facts in VALUATIONS if guard(facts))


@cache
def reads(guard: Guard) -> tuple[str, ...]:
    """The facts that can make a difference to *guard*."""
    return tuple(fact for place, fact in enumerate(Facts._fields) if _matters(place, holds(guard)))


@cache
def truth_table(guard: Guard) -> str:
    """One digit for each valuation of the facts that *guard* reads, counting up in binary, the first fact foremost."""
    names = reads(guard)
    valuations = (dict(zip(names, bits, strict=True)) for bits in product((False, True), repeat=len(names)))
    return "".join("1" if guard(Facts(**facts)) else "0" for facts in valuations)


@cache
def spends(guard: Guard) -> bool:
    """Whether *guard* lets nobody pass once every budget is spent."""
    return not any(not any(getattr(facts, budget) for budget in BUDGETS) for facts in holds(guard))


def meaning(guard: Guard) -> str:
    """One line on what it is to pass *guard*."""
    return (guard.__doc__ or "").partition("\n")[0]


def _matters(place: int, passing: frozenset[Facts]) -> bool:
    """Whether flipping the fact at *place* moves some valuation into or out of *passing*."""
    with_it = {facts[:place] + facts[place + 1 :] for facts in passing if facts[place]}
    without_it = {facts[:place] + facts[place + 1 :] for facts in passing if not facts[place]}
    return with_it != without_it
