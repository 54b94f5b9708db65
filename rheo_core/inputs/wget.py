"""wget commands."""

import re
from collections.abc import Iterator

from rheo_core.domain.request_options import DIRECT
from rheo_core.domain.text import printable

from .command_options import getopt_syntax, read_options
from .command_request import CommandRequest

_LETTERS = {
    "4": "inet4-only", "6": "inet6-only", "A": "accept", "B": "base", "D": "domains", "E":
    "adjust-extension", "F": "force-html", "H": "span-hosts", "I": "include-directories", "K":
    "backup-converted", "L": "relative", "N": "timestamping", "O": "output-document", "P":
    "directory-prefix", "Q": "quota", "R": "reject", "S": "server-response", "T": "timeout", "U":
    "user-agent", "V": "version", "X": "exclude-directories", "a": "append-output", "b":
    "background", "c": "continue", "d": "debug", "e": "execute", "h": "help", "i": "input-file",
    "k": "convert-links", "l": "level", "m": "mirror", "nH": "no-host-directories", "nc":
    "no-clobber", "nd": "no-directories", "np": "no-parent", "nv": "no-verbose", "o":
    "output-file", "p": "page-requisites", "q": "quiet", "r": "recursive", "t": "tries", "v":
    "verbose", "w": "wait", "x": "force-directories",
}  # fmt: skip
_WITH_VALUE = frozenset(
    {
        "accept", "accept-regex", "append-output", "backups", "base", "bind-address",
        "bind-dns-address", "body-data", "body-file", "ca-certificate", "ca-directory",
        "certificate", "certificate-type", "ciphers", "compression", "config", "connect-timeout",
        "crl-file", "cut-dirs", "default-page", "directory-prefix", "dns-servers", "dns-timeout",
        "domains", "exclude-directories", "exclude-domains", "execute", "follow-tags",
        "ftp-password", "ftp-user", "header", "hsts-file", "http-passwd", "http-password",
        "http-proxy", "http-user", "https-enforce", "https-proxy", "ignore-tags",
        "include-directories", "input-file", "level", "limit-rate", "load-cookies",
        "local-encoding", "max-redirect", "method", "output-document", "output-file", "password",
        "pinnedpubkey", "post-data", "post-file", "prefer-family", "private-key",
        "private-key-type", "progress", "proxy-password", "proxy-user", "quota", "read-timeout",
        "referer", "regex-type", "reject", "reject-regex", "rejected-log", "remote-encoding",
        "report-speed", "restrict-file-names", "retry-on-http-error", "save-cookies",
        "secure-protocol", "start-pos", "timeout", "tries", "use-askpass", "user", "user-agent",
        "wait", "waitretry", "warc-dedup", "warc-file", "warc-header", "warc-max-size",
        "warc-tempdir",
    }
)  # fmt: skip
_FLAGS = frozenset(
    {
        "adjust-extension", "ask-password", "auth-no-challenge", "background", "backup-converted",
        "cache", "check-certificate", "clobber", "content-disposition", "content-on-error",
        "continue", "convert-file-only", "convert-links", "cookies", "debug", "delete-after",
        "directories", "dns-cache", "follow-ftp", "force-directories", "force-html", "glob", "help",
        "host-directories", "hsts", "https-only", "http-keep-alive", "if-modified-since",
        "ignore-case", "ignore-length", "inet4-only", "inet6-only", "iri", "keep-session-cookies",
        "mirror", "netrc", "no-parent", "ocsp", "page-requisites", "parent", "passive-ftp",
        "preserve-permissions", "protocol-directories", "proxy", "quiet", "random-wait",
        "recursive", "relative", "remove-listing", "retr-symlinks", "retry-connrefused",
        "save-headers", "server-response", "show-progress", "span-hosts", "spider",
        "strict-comments", "timestamping", "trust-server-names", "unlink", "use-server-timestamps",
        "verbose", "version", "xattr",
    }
)  # fmt: skip
_NEEDLESS = frozenset(
    {
        "background", "compression", "content-disposition", "keep-session-cookies",
        "no-clobber", "no-directories", "no-host-directories", "no-verbose", "progress", "quiet",
        "show-progress", "trust-server-names",
    }
)  # fmt: skip
"""Options for less output, or for something that happens anyway."""
_REFUSED = {
    "ask-password": "asks for a password",
    "base": "resolves relative links in a list",
    "body-data": "sends data",
    "body-file": "sends data",
    "config": "reads options from a file",
    "input-file": "reads URLs from a file (load that file instead)",
    "mirror": "downloads a whole site",
    "page-requisites": "downloads a whole page",
    "post-data": "sends data",
    "post-file": "sends data",
    "recursive": "downloads a whole site",
    "save-headers": "writes the headers into the file",
    "spider": "downloads nothing",
    "start-pos": "downloads a part of the file",
    "use-askpass": "asks for a password",
}
"""Options that change what is fetched."""
_PROTECTS = frozenset(
    {
        "bind-dns-address", "ca-directory", "ciphers", "crl-file", "dns-servers", "hsts-file",
        "https-enforce", "ocsp", "pinnedpubkey",
    }
)  # fmt: skip
"""Options by which users protect themselves. Without them, rheo must not send anything."""
_STRICT_PROTOCOLS = frozenset({"tlsv1_3", "pfs"})
_FILES = {
    "bind-address": "interface",
    "ca-certificate": "ca_file",
    "certificate": "client_cert",
    "load-cookies": "cookies",
    "private-key": "client_key",
}
_PROXY = re.compile(r"\s*https?_?proxy\s*=\s*(?P<proxy>.*?)\s*", re.IGNORECASE)
"""A line of wgetrc, as in `-e`."""
_SETTING = re.compile(r"\s*([\w-]+)\s*=\s*(.*?)\s*")
_OF_WGETRC = {name.replace("-", ""): name for name in _WITH_VALUE | _FLAGS} | {
    "dirprefix": "directory-prefix",
    "input": "input-file",
    "useproxy": "proxy",
}
"""Options by their names in wgetrc, without dashes and underscores."""
_OFF = frozenset({"off", "no", "0"})
_ON_REQUEST = frozenset({"basic", "digest"})
"""Ways to send a login after the server has asked for it."""
_SYNTAX = getopt_syntax(_LETTERS, _WITH_VALUE, _FLAGS)


def requests(words: list[str]) -> Iterator[CommandRequest]:
    """Yield the request of a command. Each of its URLs is a file.

    Args:
        words: the words after `wget`.
    """
    request = CommandRequest("wget", name_option="-O", folder_option="-P", is_literal=True)
    request.schemes = set(_ON_REQUEST)
    login = {"user": "", "password": ""}
    for name, value in map(_executed, read_options(words, _SYNTAX)):
        if name in ("user", "http-user"):
            login["user"] = value
        elif name in ("password", "http-password", "http-passwd"):
            login["password"] = value
        else:
            _take(request, name, value)
    if any(login.values()):
        request.login = "{user}:{password}".format_map(login)
    if any(name not in (None, "-") for name in request.outputs) and len(request.urls) > 1:
        request.refuse("-O writes all files of the command into one, which is not supported")
    yield request


def _executed(option: tuple[str, str]) -> tuple[str, str]:
    """Return option and value of a wgetrc line (`-e`); other options unchanged."""
    name, line = option
    setting = _SETTING.fullmatch(line) if name == "execute" else None
    if setting is None or not setting[2] or _PROXY.fullmatch(line):
        return option
    key = re.sub("[-_]", "", setting[1].lower())
    if key == "noproxy":
        return "no-proxy", setting[2]
    name = _OF_WGETRC.get(key, name)
    if name in _FLAGS:
        return (f"no-{name}" if setting[2].lower() in _OFF else name), ""
    return (name, setting[2]) if name in _WITH_VALUE - {"execute"} else option


def _take(request: CommandRequest, name: str, value: str) -> None:
    match name:
        case "":
            request.urls.append(value)
        case "output-document":
            request.outputs = [value]  # the last one counts
        case "directory-prefix":
            request.folder = value
        case "continue" | "no-continue":
            request.check_existing = name == "continue"
        case "header":
            request.add_header("--header", value)
        case "user-agent":
            request.option_headers["User-Agent"] = value
        case "referer":
            request.option_headers["Referer"] = value
        case "inet4-only" | "inet6-only":
            request.wishes["ip_version"] = int(name[4])
        case "no-proxy" if value:  # hosts
            request.refuse_without(name)
        case "no-proxy":
            request.wishes["proxy"] = DIRECT
        case "http-proxy" | "https-proxy":
            request.wishes["proxy"] = value or DIRECT
        case "no-netrc":
            request.wishes["netrc"] = False
        case "auth-no-challenge":
            request.schemes.clear()
        case "no-auth-no-challenge":
            request.schemes = set(_ON_REQUEST)
        case "max-redirect" if value and not value.strip("0"):
            request.refuse_without(name)
        case "execute" if setting := _PROXY.fullmatch(value):
            request.wishes["proxy"] = setting["proxy"] or request.wishes.get("proxy", DIRECT)
        case "https-only":
            request.allow_https_only("--https-only")
        case "secure-protocol" if value.lower() in _STRICT_PROTOCOLS:
            request.refuse_without(name)
        case _ if name in _PROTECTS:
            request.refuse_without(name)
        case "method" if value.upper() != "GET":
            request.refuse(f"--method={printable(value[:20])} is not supported; use GET")
        case _ if name in _FILES:
            request.wishes[_FILES[name]] = value
        case _ if name in _REFUSED:
            request.refuse(f"--{name} {_REFUSED[name]}, which is not supported")
        case _ if name not in _NEEDLESS and name != "method":
            request.ignore(name, value, is_unknown=_SYNTAX.takes_value(name) is None)
