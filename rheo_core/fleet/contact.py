"""Contact address in the User-Agent, for site owners with questions about a fleet."""

import re

from rheo_core.version import __version__

MAX_URLS_WITHOUT_CONTACT = 1_000_000
_WORD = r"[!#-'*+\-./0-9:=?A-Z\[\]^-z{-~]"  # no blanks, brackets, quotes, `,`, `;`, `@`
_CONTACT = re.compile(rf"https?://{_WORD}+|[A-Za-z0-9]{_WORD}*@{_WORD}+\.{_WORD}+")


def check_contact(text: str) -> str:
    """Check a contact, and return it unchanged.

    Raises:
        ValueError: it is neither an email address nor a URL; one sentence.
    """
    if not _CONTACT.fullmatch(text):
        raise ValueError(f"{text!r} is neither an email address nor an http or https URL")
    return text


def contact_in(user_agent: str | None) -> str | None:
    """Return the first contact in a User-Agent, or None."""
    match = _CONTACT.search(user_agent or "")
    return match[0] if match else None


def user_agent_with(contact: str, user_agent: str | None) -> str:
    """Return a User-Agent with a contact: the user's own if it has one, otherwise `contact`.

    Args:
        contact: the contact of the plan.
        user_agent: the User-Agent that the user has chosen; None: the default.
    """
    if user_agent is not None and contact_in(user_agent):
        return user_agent
    return f"{user_agent or f'rheo/{__version__}'} (+{contact})"
