"""The threads of one process that can be continued: few enough, and none for too long."""

from collections import OrderedDict
from collections.abc import Callable, Iterator

from proxy.deadline import Clock, TimerHandle
from proxy.upstreams.codex.turns import Thread


class Threads:
    """In the order in which they were last used; *on_evicted* lets go of one."""

    def __init__(self, clock: Clock, *, most: int, idle_s: float, on_evicted: Callable[[Thread], None]) -> None:
        self._clock = clock
        self._most = most
        self._idle_s = idle_s
        self._on_evicted = on_evicted
        self._threads: OrderedDict[str, Thread] = OrderedDict()
        self._timer: TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._threads)

    def __iter__(self) -> Iterator[Thread]:
        return iter(list(self._threads.values()))

    def get(self, thread_id: object) -> Thread | None:
        """The thread of that id."""
        return self._threads.get(thread_id) if isinstance(thread_id, str) else None

    def keep(self, thread: Thread) -> None:
        """This one was used; where it is one too many, another goes that nobody uses now."""
        thread.used_s = self._clock.now()
        self._threads[thread.id] = thread
        self._threads.move_to_end(thread.id)
        if len(self._threads) > self._most:
            idle = next((each for each in self if each is not thread and not each.running), None)
            if idle is not None:
                self._evict(idle)
        self._plan()

    def forget(self, thread: Thread) -> None:
        """This one can't be continued any more."""
        self._threads.pop(thread.id, None)

    def clear(self) -> None:
        """None can."""
        self._threads.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _evict(self, thread: Thread) -> None:
        self.forget(thread)
        self._on_evicted(thread)

    def _plan(self) -> None:
        if self._timer is None and self._threads:
            oldest = next(iter(self._threads.values()))
            self._timer = self._clock.call_at(oldest.used_s + self._idle_s, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now_s = self._clock.now()
        for thread in self:
            if thread.used_s + self._idle_s > now_s:
                break
            if thread.running:  # it is in use
                thread.used_s = now_s
                self._threads.move_to_end(thread.id)
            else:
                self._evict(thread)
        self._plan()
