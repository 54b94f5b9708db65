"""Kinds of failures: each error of a download has one, and sessions keep it."""

import pytest

from rheo_core.domain import exceptions
from rheo_core.domain.exceptions import (
    ConnectionFailedError,
    DownloadError,
    HttpStatusError,
    failure_of,
)
from rheo_core.domain.failures import Failure, FailureKind


def subclasses(kind: type[DownloadError]) -> set[type[DownloadError]]:
    return {kind}.union(*(subclasses(each) for each in kind.__subclasses__()))


def test_every_error_of_a_download_has_a_kind() -> None:
    ours = {each for each in subclasses(DownloadError) if each.__module__ == exceptions.__name__}
    without = {each.__name__ for each in ours if each.kind is FailureKind.OTHER}
    assert without == {"DownloadError", "HttpStatusError", "ProxyRefusalError"}  # by the status


@pytest.mark.parametrize("kind", FailureKind)
@pytest.mark.parametrize("brief", ["", "no data for 30 s", "404 Not  Found ", "a: b"])
def test_a_failure_survives_as_text(kind: FailureKind, brief: str) -> None:
    failure = Failure(kind, brief)
    assert Failure.of_text(failure.to_text()) == failure


@pytest.mark.parametrize("text", ["", " ", "of_a_later_version more", "Timeout", "timeoutx 3 s"])
def test_a_kind_of_another_version_is_unknown(text: str) -> None:
    assert Failure.of_text(text) is None


def test_the_short_message_is_safe_to_show() -> None:
    error = ConnectionFailedError("a.example", "no way to \x1b[31mhttps://me:secret@b.example/")
    kind, brief = failure_of(error)
    assert kind is FailureKind.CONNECTION
    assert "secret" not in brief and "\x1b" not in brief


@pytest.mark.parametrize("error", [ValueError("a: b"), MemoryError(), DownloadError("a: b")])
def test_an_error_of_no_kind(error: Exception) -> None:
    assert failure_of(error) == Failure(FailureKind.OTHER)


def test_a_refused_login_is_not_a_missing_one() -> None:
    assert failure_of(HttpStatusError(401, "No")).kind is FailureKind.LOGIN_MISSING
    refused = HttpStatusError(401, "No", is_login_refused=True)
    assert failure_of(refused).kind is FailureKind.LOGIN_REFUSED
    assert str(refused) == "HTTP 401 No; the login was refused"
