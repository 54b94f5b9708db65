"""TLS (rows X and B17): trust in certificates, and ends of bodies without close_notify."""

import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rheo_core import FileConfig
from rheo_core.infrastructure.http.connection_problems import reason_of
from tests.clients import opened_client
from tests.core.engine import error_of, status_of
from tests.faults.oracle import Scene
from tests.servers.misbehaving import V1, Exchange, MisbehavingServer, body_of
from tests.servers.names import Names
from tests.servers.scenarios import chunked, cut, in_turn, parts, raw, response, whole
from tests.servers.tls import Authority, only_tls_1_0, plain_listener

SMALL, LARGE = 60_000, 1_600_000
BODY = body_of(SMALL)

sizes = pytest.mark.parametrize("size", [SMALL, LARGE])


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def trusting(scene: Scene, authority: Authority) -> AsyncIterator[Names]:
    """The client of the scene believes the authority, and finds any host name."""
    names = Names()
    async with opened_client(ssl=authority.trusting(), resolver=names) as client:
        scene.options["client"] = client
        yield names


@pytest.fixture
async def secure(
    scene: Scene, authority: Authority, trusting: Names
) -> AsyncIterator[MisbehavingServer]:
    """The server of the scene, with a good certificate."""
    async with MisbehavingServer(ssl=authority.serving("127.0.0.1")) as server:
        scene.server = server
        yield server


@sizes
async def test_x00_a_good_certificate(scene: Scene, secure: MisbehavingServer, size: int) -> None:
    body = body_of(size)
    outcome = await scene.resume(body, size // 4, parts(body, **V1), headers=V1)
    outcome.completed(body, requests=2)


Serving = Callable[[Authority], ssl.SSLContext]
BAD: dict[str, tuple[Serving, str]] = {
    "expired": (lambda ours: ours.serving("127.0.0.1", expired=True), "expired"),
    "wrong host": (lambda ours: ours.serving("other.example"), "mismatch"),
    "unknown authority": (lambda ours: Authority().serving("127.0.0.1"), "issuer"),
    "wildcard address": (lambda ours: ours.serving("*.0.0.1"), "mismatch"),
    "NUL in the name": (
        lambda ours: ours.serving("other.example", common_name="127.0.0.1\x00.other.example"),
        "mismatch",
    ),
    "common name only": (
        lambda ours: ours.serving("other.example", common_name="127.0.0.1"),
        "mismatch",
    ),
}


@pytest.mark.parametrize("kind", BAD)
async def test_x01_a_bad_certificate(
    scene: Scene, authority: Authority, trusting: Names, kind: str
) -> None:
    serving, reason = BAD[kind]
    async with MisbehavingServer(ssl=serving(authority)) as server:
        scene.server = server
        outcome = await scene.fetch(whole(BODY), BODY)
    outcome.failed("certificate refused", requests=0)
    assert reason in outcome.error
    assert outcome.journal.names() == ["queued", "failed"]  # no retry can help
    assert not scene.part.exists()


async def test_x01_a_certificate_that_signed_itself(
    scene: Scene, trusting: Names, tmp_path: Path
) -> None:
    async with MisbehavingServer(ssl=Authority().serving_itself(tmp_path)) as server:
        scene.server = server
        outcome = await scene.fetch(whole(BODY), BODY)
    outcome.failed("certificate refused: self-signed", requests=0)


@pytest.mark.parametrize(
    ("host", "fits"),
    [("a.files.example", True), ("b.a.files.example", False), ("files.example", False)],
)
async def test_x01_a_wildcard_stands_for_one_label(
    scene: Scene, authority: Authority, trusting: Names, host: str, fits: bool
) -> None:
    async with MisbehavingServer(ssl=authority.serving("*.files.example")) as server:
        scene.server = server
        server.on(scene.path, whole(BODY))
        url = server.url(scene.path).replace("127.0.0.1", host)
        outcome = await scene.fetch(None, BODY, config=scene.config(url=url))
    if fits:
        outcome.completed(BODY, requests=1)
    else:
        outcome.failed("certificate refused", requests=0)


async def test_x01_the_default_client_trusts_no_private_authority(
    scene: Scene, secure: MisbehavingServer
) -> None:
    del scene.options["client"]
    outcome = await scene.fetch(whole(BODY), BODY)
    outcome.failed("certificate refused", requests=0)


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (b"", True),
        (b"", False),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH_9.6\r\n", False),
        (b"\x16\x03\x03\x00\x05", True),
        (b"\x15\x03\x03\x00\x02\x02\x28", True),
        (b"\x00" * 5000, True),
    ],
    ids=["hangup", "hangup at once", "http", "ssh", "half a record", "alert", "zeros"],
)
async def test_x03_no_handshake(scene: Scene, trusting: Names, said: bytes, wait: bool) -> None:
    async with plain_listener(said, wait=wait) as listener:
        outcome = await scene.fetch(None, config=scene.config(url=listener.url))
    outcome.failed("127.0.0.1", requests=0)
    assert 1 <= listener.connections <= 3


async def test_x03_nothing_but_tls_1_0(scene: Scene, authority: Authority, trusting: Names) -> None:
    """Debian's Python names no lowest version: there OpenSSL refuses the signature instead."""
    has_lowest = ssl.create_default_context().minimum_version is ssl.TLSVersion.TLSv1_2
    context = only_tls_1_0(authority.serving("127.0.0.1"))
    async with MisbehavingServer(ssl=context) as server:
        scene.server = server
        outcome = await scene.fetch(whole(BODY), BODY)
    reason = "connection reset by the server" if has_lowest else "TLS handshake failed"
    outcome.failed(reason, requests=0)


async def test_x03_a_client_certificate_is_asked_for(
    scene: Scene, authority: Authority, trusting: Names
) -> None:
    context = authority.serving("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # later ones refuse after the handshake

    def refuse() -> None:  # a loop of asyncio ends the connection before its alert is sent
        with suppress(OSError):  # the listener is closed
            while True:
                connection, _ = listener.accept()
                with connection, suppress(ssl.SSLError):
                    context.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/file.bin"
        outcome = await scene.fetch(None, config=scene.config(url=url))
        listener.shutdown(socket.SHUT_RDWR)
    reason = "the server refuses the TLS handshake; it may ask for a client certificate"
    outcome.failed(reason, requests=0)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "the server asks for a client certificate"),
        ("TLSV1_ALERT_UNKNOWN_CA", "the server refuses the client certificate"),
        ("WRONG_VERSION_NUMBER", "the server does not answer with TLS"),
        ("SOMETHING_NEW", "TLS handshake failed (something_new)"),
    ],
)
def test_x03_alerts_are_told_in_words(reason: str, sentence: str) -> None:
    error = ssl.SSLError(1, f"[SSL: {reason}] text")
    error.reason = reason
    assert reason_of(error) == sentence


async def test_x03_http_where_https_was_asked_for(scene: Scene, trusting: Names) -> None:
    scene.server.on(scene.path, whole(BODY))
    url = scene.server.url(scene.path).replace("http:", "https:")
    outcome = await scene.fetch(None, BODY, config=scene.config(url=url), connect_timeout=0.1)
    outcome.failed("no connection to 127.0.0.1 within 0.1 s", requests=0)


async def test_x04_a_connection_serves_the_host_it_was_made_for(
    scene: Scene, authority: Authority, trusting: Names
) -> None:
    async with MisbehavingServer(ssl=authority.serving("good.example")) as server:
        scene.server = server
        port = server.url("").rpartition(":")[2]
        server.on("/file.bin", whole(BODY))
        server.on("/other.bin", whole(BODY))
        good = FileConfig(url=f"https://good.example:{port}/file.bin")
        other = FileConfig(url=f"https://other.example:{port}/other.bin")
        async with scene.manager(max_concurrent=1) as manager:
            await manager.add([good, other])
            await manager.wait_until_complete(timeout=60)
    assert status_of(manager, good) == "completed"
    assert status_of(manager, other) == "failed"
    assert "certificate refused" in error_of(manager, other)
    assert [request.target for request in server.requests] == ["/file.bin"]


async def test_x04_each_request_carries_its_own_login(scene: Scene) -> None:
    url = scene.server.on("/file.bin", whole(BODY))
    logins = ["anna:one@", "bert:two@", ""]
    configs = [
        FileConfig(url=url.replace("://", f"://{login}"), filename=str(number))
        for number, login in enumerate(logins)
    ]
    async with scene.manager(max_concurrent=1) as manager:
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
    sent = [request.headers.get("authorization") for request in scene.server.requests]
    assert sent == ["Basic YW5uYTpvbmU=", "Basic YmVydDp0d28=", None]


@sizes
@pytest.mark.parametrize("notify", [True, False], ids=["close_notify", "none"])
async def test_b17_an_end_before_the_length_is_reached(
    scene: Scene, secure: MisbehavingServer, size: int, notify: bool
) -> None:
    body = body_of(size)
    early = cut(body, size // 2, **V1) if notify else torn(body, size // 2, **V1)
    (await scene.fetch(early, body)).failed("connection", requests=3)
    secure.requests.clear()
    scene.part.unlink(missing_ok=True)
    scene.state.unlink(missing_ok=True)
    outcome = await scene.fetch(in_turn(early, parts(body, **V1)), body)
    outcome.completed(body, requests=2)


async def test_b17_chunks_that_end_early(scene: Scene, secure: MisbehavingServer) -> None:
    (await scene.fetch(chunked(BODY, last=b""), BODY)).failed("connection", requests=3)


async def test_b17_a_body_until_close_notify_is_whole(
    scene: Scene, secure: MisbehavingServer
) -> None:
    (await scene.fetch(raw(response(BODY, "Connection: close")), BODY)).completed(BODY, requests=1)


def tear(exchange: Exchange) -> None:
    """Close the socket below TLS in order: FIN without close_notify."""
    exchange.is_open = False
    below: Any = exchange.writer.transport._ssl_protocol._transport  # type: ignore[attr-defined]
    below.close()


def torn(body: bytes, at: int, **headers: Any) -> Callable[[Exchange], Any]:
    async def behave(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(body), **headers)
        await exchange.send(body[:at])
        tear(exchange)

    return behave
