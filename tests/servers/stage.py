"""Behaviours that wait: the test decides, request by request, what the server does next."""

import asyncio

from tests.servers.misbehaving import Behaviour, Exchange


class Talk:
    """One request, and what the test lets the server answer to it."""

    def __init__(self, exchange: Exchange, body: bytes, etag: str | None) -> None:
        self.is_begun = False
        self._exchange = exchange
        self._body = body
        self._headers = {"ETag": etag} if etag else {}
        self._over = asyncio.Event()

    async def begin(self) -> None:
        """Send the head, and half of what was asked for."""
        request = self._exchange.request
        start = request.range_start
        if start is None or request.headers.get("if-range") != self._headers.get("ETag"):
            await self._exchange.head(Content_Length=len(self._body), **self._headers)
        else:
            last = len(self._body) - 1
            content_range = f"bytes {start}-{last}/{len(self._body)}"
            self._body = self._body[start:]
            await self._exchange.head(
                "206 Partial Content",
                Content_Range=content_range,
                Content_Length=len(self._body),
                **self._headers,
            )
        half = len(self._body) // 2
        await self._exchange.send(self._body[:half])
        self._body = self._body[half:]
        self.is_begun = True

    async def deliver(self) -> None:
        """Send all that is left to send."""
        if not self.is_begun:
            await self.begin()
        await self._exchange.send(self._body)
        self._over.set()

    async def refuse(self) -> None:
        """Answer that there is no such file."""
        await self._exchange.head("404 Not Found", Content_Length=0)
        self._over.set()

    async def hang_up(self) -> None:
        """Close the connection, or see that the other side did."""
        await self._exchange.close()
        self._over.set()

    async def until_over(self) -> None:
        await self._over.wait()


class Stage:
    """`talks` holds the requests that wait for a decision, by path."""

    def __init__(self) -> None:
        self.talks: dict[str, Talk] = {}

    def offering(self, body: bytes, etag: str | None) -> Behaviour:
        """Return a behaviour that answers when the test says so."""

        async def behave(exchange: Exchange) -> None:
            talk = self.talks[exchange.request.target] = Talk(exchange, body, etag)
            await talk.until_over()

        return behave
