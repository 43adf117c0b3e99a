"""Bounds of connections: their number, and the time that a client takes to send its request or to read its answer."""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 500  # in all; with some times AT_ONCE, fewer than the usual 1,024 open files
PER_ADDRESS = 256
AT_ONCE = 100  # that wait to be accepted, and that are accepted together
SLOW_S = 10.0


class BoundedConnection(H11Protocol):
    """HTTP/1.1 connection of uvicorn that is closed if its client is slow or has too many.

    A connection is closed without an answer

    - if there are more than `CONNECTIONS` in all, or than `PER_ADDRESS` from an address: of these, the one that has
      waited longest for a header;
    - `SLOW_S` seconds after its begin or its last answer if the header of the next request is not complete, or if the
      rest of a request that was answered already has not arrived;
    - if for `SLOW_S` seconds the client reads so little that the answer stays in memory.

    The time of a request's body has the limit `RequestLimits.seconds`.
    """

    _receiving: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin, or close the connection if there are too many."""
        super().connection_made(transport)
        own = [each for each in self.connections if isinstance(each, BoundedConnection)]
        present = [each for each in own if not each.transport.is_closing()]
        from_here = [each for each in present if _host(each) == _host(self)]
        self._expect()
        if len(from_here) > PER_ADDRESS or len(present) > CONNECTIONS:
            crowded = from_here if len(from_here) > PER_ADDRESS else present
            waiting = [(each._receiving.when(), each) for each in crowded if each._receiving]
            min(waiting, key=itemgetter(0))[1].transport.abort()

    def data_received(self, data: bytes) -> None:
        """Handle bytes of the client."""
        super().data_received(data)
        self._expect()

    def on_response_complete(self) -> None:
        """Handle the end of an answer."""
        super().on_response_complete()
        self._expect()

    def pause_writing(self) -> None:
        """Limit the time until the client reads on. asyncio calls it if much of an answer is not sent yet."""
        self.flow.pause_writing()
        self._sending = self.loop.call_later(SLOW_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Lift the limit of `pause_writing`."""
        self.flow.resume_writing()
        self._sending = _cancel(self._sending)

    def connection_lost(self, exc: Exception | None) -> None:
        """End without a timer."""
        super().connection_lost(exc)
        self._receiving = _cancel(self._receiving)
        self._sending = _cancel(self._sending)

    def _expect(self) -> None:
        """Begin or end the time for the rest of a request; more bytes of the same request do not prolong it."""
        state = self.conn.their_state
        answered = self.cycle is not None and self.cycle.response_complete
        if not (state is h11.IDLE or (state is h11.SEND_BODY and answered)):
            self._receiving = _cancel(self._receiving)
        elif self._receiving is None and not self.transport.is_closing():
            self._receiving = self.loop.call_later(SLOW_S, self.transport.abort)


def _host(connection: BoundedConnection) -> str | None:
    return connection.client[0] if connection.client else None


def _cancel(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancel a timer, and return the one in its place: none."""
    if timer is not None:
        timer.cancel()
    return None
