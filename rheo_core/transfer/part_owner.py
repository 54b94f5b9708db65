"""PartOwner: decide whether a download may resume a part file."""

import hashlib
import hmac
from functools import lru_cache
from typing import NamedTuple

from rheo_core.domain.signed_urls import unsigned

from .part_state import PartState, StateFile

_SOURCE_DIGITS = 32


class PartOwner(NamedTuple):
    """Download that a part file belongs to.

    A download may continue bytes from another link to the same object only if no download of this
    run has that link (`lender`), and an ETag, pieces or a hash prove the version.

    Attributes:
        source: object of the download; see `source_of`.
        link: link of the download; see `exact_source_of`. Empty: any link.
        fetched: the new link, if the user replaced `link`; otherwise empty.
        is_verified: pieces or a hash of the whole file detect bytes of another version.
        lender: other link whose bytes the download may continue; empty: none.
    """

    source: str
    link: str = ""
    fetched: str = ""
    is_verified: bool = False
    lender: str = ""

    def has_begun(self, state: PartState) -> bool:
        """Return True if a state belongs to this download or to its `lender`."""
        is_link = not self.link or state.link in ("", self.link, self.lender)
        return is_link and state.source == self.source

    def has_written(self, file: StateFile | None) -> bool:
        """Return True if this program wrote a state file of this download."""
        return file is not None and file.state is not None and self.has_begun(file.state)

    def may_continue(self, state: PartState) -> bool:
        """Return True if this link may continue the bytes. Dates prove nothing for other links."""
        brought = state.fetched or state.link
        is_same = not self.link or brought in ("", self.fetched or self.link)
        return is_same or self.is_verified or state.validator.etag is not None

    def may_borrow(self, state: PartState) -> bool:
        """Return True if this link may continue bytes that another link of the object began."""
        is_others = state.source == self.source and not self.has_begun(state)
        return is_others and self.may_continue(state)

    def borrows(self, state: PartState) -> bool:
        """Return True if the bytes of a state still belong to the `lender`."""
        return self.lender != "" and state.link == self.lender

    def taking_over(self, state: PartState) -> PartState:
        """Return a state that takes over the lender's bytes, after a response proved them."""
        return state._replace(link=self.link, fetched=state.fetched or state.link)


def source_of(url: str) -> str:
    """Return the id of a source: a hash of its URL without signature and fragment.

    Validators of different URLs are not comparable (RFC 9110 8.8.1). But with a new signature, a
    URL still names the same object, and an ETag confirms this. A date does not, because many
    objects of a server may share it.
    """
    return hashlib.sha256(_encoded(unsigned(url))).hexdigest()[:_SOURCE_DIGITS]


@lru_cache(maxsize=16)  # an attempt asks twice for the one of its URL
def exact_source_of(url: str, key: bytes) -> str:
    """Return the id of a source including its signature.

    It depends on the user's key. Anyone who can read a finished file can read its source, and could
    guess a weak password in the URL from a plain hash.
    """
    mac = _begun_source(key).copy()
    mac.update(_encoded(url.partition("#")[0]))
    return mac.hexdigest()[:_SOURCE_DIGITS]


@lru_cache(maxsize=1)  # OpenSSL takes longer for a key than for a URL
def _begun_source(key: bytes) -> hmac.HMAC:
    return hmac.new(key, b"finished file of ", "sha256")


def _encoded(url: str) -> bytes:
    return url.encode(errors="surrogatepass")
