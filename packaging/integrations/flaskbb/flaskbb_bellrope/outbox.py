"""The way out: facts wait here in order, and one thread tells Bellrope, again and again until it has heard.

A request of the forum only puts a fact into the queue, so Bellrope can be slow or away without anybody noticing. The
queue lives in memory: what waits when the forum's process is killed is lost.
"""

import atexit
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import Full, Queue
from typing import Any

import requests
from flask import has_request_context, request

from .settings import Settings, logger

# A fact is about 200 bytes. Past this the newest is dropped: an outage of hours on a busy forum.
WAITING_MAX = 10_000
# Visits are many and worth little: they leave the other half to what somebody should hear of.
VISITS_MAX = WAITING_MAX // 2
# Bellrope answers within milliseconds; this is for a machine that swaps.
ANSWER_S_MAX = 5
PAUSE_S_MIN, PAUSE_S_MAX = 0.5, 30
# What a worker that is asked to stop spends on what still waits.
LEAVE_S_MAX = 3
# Refusals differ by what they are about; after so many the log has said enough.
COMPLAINTS_MAX = 50

Fact = tuple[Any, ...]


@dataclass(frozen=True)
class Call:
    """One request to Bellrope. `path` is below /api/v1."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    params: dict[str, str] | None = None


class Outbox:
    def __init__(self, settings: Settings, resolve: Callable[[tuple[str | None, Fact]], Iterable[Call]]):
        self.settings = settings
        self._resolve = resolve
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._complaints: set[str] = set()

    def put(self, fact: Fact, waiting_max: int = WAITING_MAX) -> None:
        """Never waits and never raises: a forum without its bell is still a forum."""
        try:
            self._start()
            if self._queue.qsize() >= waiting_max:
                raise Full
            # Addresses are made later and elsewhere; only the request knows below which one the forum lives.
            self._queue.put_nowait((request.url_root if has_request_context() else None, fact))
        except Full:
            self._complain("full", "So much waits for Bellrope that news is being dropped")
        except Exception:
            logger.exception("A fact was lost")

    def put_visit(self, fact: Fact) -> None:
        self.put(fact, VISITS_MAX)

    def _start(self) -> None:
        """Threads do not survive a fork, and servers fork after loading the forum: each process starts its own."""
        with self._lock:
            if self._owner == os.getpid():
                return
            self._owner = os.getpid()
            self._queue: Queue[tuple[str | None, Fact]] = Queue()
            self._session = requests.Session()
            # Bellrope stands beside the forum: no proxy from the environment, and no .netrc, whose password would
            # replace the key.
            self._session.trust_env = False
            self._session.headers["Authorization"] = f"Bearer {self.settings.api_key}"
            threading.Thread(target=self._run, name="bellrope", daemon=True).start()
            atexit.register(self._leave)

    def _run(self) -> None:
        while True:
            placed = self._queue.get()
            try:
                for call in self._resolve(placed):
                    self._deliver(call)
            except Exception:
                logger.exception("Nobody is told of %s", placed[1][:1])
            finally:
                self._queue.task_done()

    def _deliver(self, call: Call) -> None:
        """In order, so whatever cannot be delivered yet holds up what came after it: an un-like must not overtake its
        like. The key lets Bellrope know a repetition whose first answer was lost."""
        idempotency_key = uuid.uuid4().hex
        pause_s = PAUSE_S_MIN
        while True:
            try:
                answer = self._send(call, idempotency_key)
            except requests.RequestException as error:
                self._complain("away", f"Bellrope does not answer ({type(error).__name__}); trying on")
                asked_s = 0
            else:
                # What is to go and is not there is gone.
                if answer.status_code == 200 or (call.method, answer.status_code) == ("DELETE", 404):
                    self._recovered()
                    return
                if answer.status_code < 500 and answer.status_code not in (408, 409, 429):
                    # Asking again would not help. The text says which field or which right is wrong.
                    said = f"{answer.status_code} {answer.text[:300]}"
                    self._complain(said, f"Bellrope refuses: {said}")
                    return
                self._complain("away", f"Bellrope answers {answer.status_code}; trying on")
                asked_s = _seconds(answer.headers.get("Retry-After"))
            time.sleep(min(max(pause_s, asked_s), PAUSE_S_MAX))
            pause_s = min(pause_s * 2, PAUSE_S_MAX)

    def _send(self, call: Call, idempotency_key: str) -> requests.Response:
        return self._session.request(
            call.method,
            f"{self.settings.url}/api/v1{call.path}",
            json=call.body,
            params=call.params,
            headers={"Idempotency-Key": idempotency_key},
            timeout=ANSWER_S_MAX,
            allow_redirects=False,
        )

    def _complain(self, about: str, text: str) -> None:
        """Once about each thing: neither an outage nor a wrong setting may fill the forum's disk."""
        if about not in self._complaints and len(self._complaints) < COMPLAINTS_MAX:
            self._complaints.add(about)
            logger.warning(text)

    def _recovered(self) -> None:
        if "away" in self._complaints:
            self._complaints -= {"away", "full"}
            logger.warning("Bellrope hears again")

    def _leave(self) -> None:
        until = time.monotonic() + LEAVE_S_MAX
        if self._owner == os.getpid():
            while self._queue.unfinished_tasks and time.monotonic() < until:
                time.sleep(0.02)


def _seconds(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
