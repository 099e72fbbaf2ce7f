"""Injects one worker's share of a load, in an open loop; `python -m harness.load.injector CONFIG`.

Each request is turned to when the schedule says so, whatever became of the others, and the time of
its answer counts from then: it is its user's. One thread does all; how late that thread turned to a
request is in its sample (`sent - intended`), so a generator that has not enough of a processor is
seen, and never passes for a slow service. All times are CLOCK_MONOTONIC: setting the wall clock
changes nothing but what TLS thinks of a certificate's dates.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import resource
import signal
import socket
import ssl
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import uvloop

from harness.decoding import read_json
from harness.drivers.clock import HostClock
from harness.drivers.priority import run_before_others
from harness.errors import HarnessError, InputError, RecordError
from harness.load.addresses import Addresses
from harness.load.config import HttpRequest, InjectorConfig, InjectorReport
from harness.load.http_connection import HttpConnection
from harness.load.request_bytes import host_header, request_bytes
from harness.load.sample_file import SampleFile
from harness.load.schedule import instants
from harness.load.timer import Timer
from harness.model.codec import to_json
from harness.model.instant import NANOSECONDS_PER_SECOND, seconds
from harness.model.sample import Answer

_now_ns = HostClock().monotonic_ns

_LOOKS_EVERY_S = 0.05
_TELLS_EVERY_NS = NANOSECONDS_PER_SECOND

_FREE_FOR_NS = NANOSECONDS_PER_SECOND
"""A connection that nobody needed for so long is closed. Servers close theirs too, the most
impatient after 2 s (Gunicorn's `keepalive`; Uvicorn and Node 5 s), and a request that crosses such
an end on its way is lost, which is no fault that a load test is after."""

_STOPS_WITHIN_NS = NANOSECONDS_PER_SECOND
"""What is under way when it is told to stop may still be answered for so long."""

_CLOSES_WITHIN_S = 1.0
"""How long a TLS connection may take to say that it ends, before it is cut."""


class Injection:
    """The schedule, the connections and the samples of one process. Times are of its schedule:
    nanoseconds after its zero.
    """

    def __init__(self, config: InjectorConfig, samples: SampleFile) -> None:
        """Raises InputError where the config asks for what cannot be sent."""
        self._config = config
        self._samples = samples
        self._due = instants(
            config.profile, config.peak, config.seed, worker=config.worker, workers=config.workers
        )
        # A view gives Python's own integers, three times as fast as the array would.
        self._schedule = self._due.data
        self._request = request_bytes(config.request)
        self._right_body = config.request.expect_body.encode()
        self._context = _tls(config.request)
        self._server_name = _server_name(config.request) if config.request.tls else None
        self._addresses = Addresses(config.request.host, config.request.port)
        self._timeout_ns = int(config.request.timeout_s * NANOSECONDS_PER_SECOND)
        self._lasts_ns = int(config.request.connection_lasts_s * NANOSECONDS_PER_SECOND)
        self._connections: set[HttpConnection] = set()
        self._free: deque[HttpConnection] = deque()
        self._waiting: deque[tuple[int, int]] = deque()  # (intended, turned to)
        self._turned = 0
        self._withdrawn = 0  # never sent
        self._given_up = 0  # sent, and given up by the stop
        self._wrong = 0
        self._longest_lag_ns = 0
        self._zero_ns = 0
        self._told_ns = 0
        self._stop: tuple[str, int] | None = None  # why, and when
        self._random = random.Random(config.seed)  # noqa: S311 - spreads ages, hides nothing

    async def run(self) -> InjectorReport:
        """Sends all, or until it is told to stop; what it has to say at its end.

        Raises RecordError where samples or reports cannot be written.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop, number)
        self._timer = Timer()
        # Nothing that is here now will ever be garbage: it need not be looked through again.
        gc.collect()
        gc.freeze()
        self._zero_ns = self._config.begin_ns or _now_ns()
        _tell(self._report())
        loop.add_reader(self._timer.descriptor, self._turn)
        try:
            if self._schedule:
                self._timer.set(self._zero_ns + self._schedule[0] - _now_ns())
            while not self._over():
                await asyncio.sleep(_LOOKS_EVERY_S)
                self._look()
        finally:
            loop.remove_reader(self._timer.descriptor)
            self._timer.close()
            for connection in tuple(self._connections):
                connection.give_up()
        self._samples.flush()
        return msgspec.structs.replace(
            self._report(), done=True, error=self._stop[0] if self._stop else None
        )

    # -- The schedule ---------------------------------------------------------------------------

    def _turn(self) -> None:
        """Turns to all that is due."""
        zero_ns, schedule, position = self._zero_ns, self._schedule, self._turned
        now_ns = sent_ns = _now_ns() - zero_ns
        count = len(schedule)
        if position == count:
            return
        self._longest_lag_ns = max(self._longest_lag_ns, now_ns - schedule[position])
        # What becomes due meanwhile is the next turn's: answers are looked at in between.
        while position < count and (intended_ns := schedule[position]) <= now_ns:
            position += 1
            self._send(intended_ns, sent_ns)
            sent_ns = _now_ns() - zero_ns
        self._turned = position
        if position < count:
            self._timer.set(schedule[position] - sent_ns)
        else:
            asyncio.get_running_loop().remove_reader(self._timer.descriptor)

    def _send(self, intended_ns: int, sent_ns: int) -> None:
        if self._free:
            self._free.pop().ask(intended_ns, sent_ns)
        elif len(self._connections) < self._config.connections:
            self._open(intended_ns, sent_ns)
        else:
            self._waiting.append((intended_ns, sent_ns))

    # -- Connections ----------------------------------------------------------------------------

    def _open(self, intended_ns: int, sent_ns: int) -> None:
        """A new connection, with its first request."""
        connection = HttpConnection(
            self._request,
            status=self._config.request.expect_status,
            body=self._right_body,
            ended=self._ended,
            closed=self._closed,
        )
        # Not all at once: those that were opened together would be opened anew together.
        connection.until_ns = sent_ns + int(self._lasts_ns * self._random.uniform(0.75, 1.25))
        connection.ask(intended_ns, sent_ns)
        self._connections.add(connection)
        connection.opening = asyncio.ensure_future(self._opened(connection))

    async def _opened(self, connection: HttpConnection) -> None:
        try:
            await self._connect(connection)
        except (socket.gaierror, UnicodeError):
            connection.failed(Answer.NAME)
        except ssl.SSLError:
            connection.failed(Answer.TLS)
        except (ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
            # Only a handshake's: to connect is refused, or not answered.
            connection.failed(Answer.CUT)
        except OSError:
            connection.failed(Answer.REFUSED)
        finally:
            if connection.opening is not None:
                connection.opening = None
                self._closed(connection)

    async def _connect(self, connection: HttpConnection) -> None:
        """By the first address that takes it; raises what the last one said."""
        addresses = await self._addresses.now()
        for address in addresses:
            try:
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    address,
                    self._config.request.port,
                    ssl=self._context,
                    ssl_shutdown_timeout=_CLOSES_WITHIN_S if self._context else None,
                    server_hostname=self._server_name,
                )
            except ssl.SSLError:
                raise
            except OSError:
                if address == addresses[-1]:
                    raise
            else:
                return

    def _ended(self, connection: HttpConnection, status: int, answer: Answer) -> None:
        """An answer, or that there will be none."""
        now_ns = _now_ns() - self._zero_ns
        intended_ns = connection.intended_ns
        if now_ns - intended_ns > self._timeout_ns:
            self._timed_out(intended_ns, connection.sent_ns)
        else:
            self._samples.add(intended_ns, connection.sent_ns, now_ns, status, answer)
            if answer:
                self._wrong += 1
        if now_ns >= connection.until_ns:
            connection.usable = False
        elif connection.usable:
            if self._waiting:
                connection.ask(*self._waiting.popleft())
            else:
                connection.free_ns = now_ns
                self._free.append(connection)

    def _timed_out(self, intended_ns: int, sent_ns: int) -> None:
        """A user who waits that long and no longer: whenever this process finds out."""
        ended_ns = max(intended_ns + self._timeout_ns, sent_ns)
        self._samples.add(intended_ns, sent_ns, ended_ns, 0, Answer.TIMEOUT)
        self._wrong += 1

    def _closed(self, connection: HttpConnection) -> None:
        """There is room for another."""
        self._connections.discard(connection)
        with contextlib.suppress(ValueError):
            self._free.remove(connection)
        if self._waiting:
            self._open(*self._waiting.popleft())

    # -- Twenty times a second ------------------------------------------------------------------

    def _look(self) -> None:
        """Gives up what takes too long, closes what nobody needs, writes and reports."""
        now_ns = _now_ns() - self._zero_ns
        began_before_ns = now_ns - self._timeout_ns
        while self._waiting and self._waiting[0][0] < began_before_ns:
            self._timed_out(*self._waiting.popleft())
        for connection in tuple(self._connections):
            if connection.busy and connection.intended_ns < began_before_ns:
                self._timed_out(connection.intended_ns, connection.sent_ns)
                connection.give_up()
        while self._free and self._free[0].free_ns < now_ns - _FREE_FOR_NS:
            self._free.popleft().give_up()
        if self._stop is not None and now_ns - self._stop[1] > _STOPS_WITHIN_NS:
            self._give_up_all(now_ns)
        if now_ns - self._told_ns >= _TELLS_EVERY_NS:
            self._told_ns = now_ns
            self._samples.flush()
            _tell(self._report())

    def _told_to_stop(self, number: signal.Signals) -> None:
        if self._stop is not None:
            return
        now_ns = _now_ns() - self._zero_ns
        self._stop = (f"stopped by {number.name}", now_ns)
        for intended_ns, sent_ns in self._waiting:
            self._samples.add(intended_ns, sent_ns, now_ns, 0, Answer.UNSENT)
        self._samples.add_unsent(self._due[self._turned :], now_ns)
        self._withdrawn = len(self._waiting) + len(self._due) - self._turned
        self._turned = len(self._due)
        self._waiting.clear()
        asyncio.get_running_loop().remove_reader(self._timer.descriptor)

    def _give_up_all(self, now_ns: int) -> None:
        for connection in tuple(self._connections):
            if connection.busy:
                self._samples.add(
                    connection.intended_ns, connection.sent_ns, now_ns, 0, Answer.UNSENT
                )
                connection.give_up()
                self._given_up += 1

    def _over(self) -> bool:
        return self._samples.count == len(self._schedule)

    def _report(self) -> InjectorReport:
        return InjectorReport(
            began_ns=self._zero_ns,
            elapsed_s=max(0.0, seconds(_now_ns() - self._zero_ns)),
            scheduled=len(self._schedule),
            sent=self._turned - len(self._waiting) - self._withdrawn,
            ended=self._samples.count - self._withdrawn - self._given_up,
            wrong=self._wrong,
            longest_lag_s=seconds(self._longest_lag_ns),
            cpu_s=time.process_time(),
        )


def _server_name(request: HttpRequest) -> str:
    """Who the other side has to be: the host that is asked for, without its port."""
    return urlsplit(f"//{host_header(request)}").hostname or request.host


def _tls(request: HttpRequest) -> ssl.SSLContext | None:
    """What a certificate is checked against; None: no TLS."""
    if not request.tls:
        return None
    try:
        return ssl.create_default_context(cafile=request.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"{request.ca_file}: no authority's certificate: {error}") from error


def _tell(report: InjectorReport) -> None:
    """One line; raises RecordError where nobody reads it: a load that nobody watches has to end."""
    try:
        os.write(sys.stdout.fileno(), to_json(report) + b"\n")
    except OSError as error:
        raise RecordError(f"injector's report: {error.strerror}") from error


def _take_what_it_needs() -> None:
    """Descriptors, and a processor before others: who waits for one sends late."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    run_before_others()


def main(arguments: Sequence[str]) -> int:
    """`CONFIG.json`: injects, and reports on standard output; the exit code."""
    if len(arguments) != 1:
        print("usage: python -m harness.load.injector CONFIG.json", file=sys.stderr)  # noqa: T201
        return 2
    try:
        config = read_json(Path(arguments[0]), InjectorConfig)
        _take_what_it_needs()
        with SampleFile(config.samples) as samples:
            last = uvloop.run(Injection(config, samples).run())
        _tell(last)
    except HarnessError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
