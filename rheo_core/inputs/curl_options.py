"""Names of the options of curl 8, from its tool_getparam.c; `curl.py` decides on their effect."""

LETTERS = {
    "A": "user-agent", "b": "cookie", "c": "cookie-jar", "C": "continue-at", "d": "data", "D":
    "dump-header", "e": "referer", "E": "cert", "f": "fail", "F": "form", "g": "globoff", "G":
    "get", "h": "help", "H": "header", "I": "head", "J": "remote-header-name", "k":
    "insecure", "K": "config", "L": "location", "m": "max-time", "o": "output", "O":
    "remote-name", "P": "ftp-port", "Q": "quote", "r": "range", "s": "silent", "S":
    "show-error", "t": "telnet-option", "T": "upload-file", "u": "user", "U": "proxy-user",
    "v": "verbose", "w": "write-out", "x": "proxy", "X": "request", "y": "speed-time", "Y":
    "speed-limit", "z": "time-cond", "#": "progress-bar", "n": "netrc", "4": "ipv4", "6": "ipv6",
    "0": "http1.0", "1": "tlsv1", "2": "sslv2", "3": "sslv3", "a": "append", "B": "use-ascii", "i":
    "show-headers", "j": "junk-session-cookies", "l": "list-only", "M": "manual", "N": "no-buffer",
    "p": "proxytunnel", "q": "disable", "R": "remote-time", "V": "version", "Z": "parallel",
    ":": "next",
}  # fmt: skip
"""Long names of options that also have a letter."""

WITH_VALUE = frozenset(
    {
        "abstract-unix-socket", "alt-svc", "aws-sigv4", "cacert", "capath", "cert", "cert-type",
        "ciphers", "config", "connect-timeout", "connect-to", "continue-at", "cookie",
        "cookie-jar", "create-file-mode", "crlfile", "curves", "data", "data-ascii", "data-binary",
        "data-raw", "data-urlencode", "delegation", "dns-interface", "dns-ipv4-addr",
        "dns-ipv6-addr", "dns-servers", "doh-url", "dump-header", "ech", "egd-file", "engine",
        "etag-compare", "etag-save", "expect100-timeout", "form", "form-string", "ftp-account",
        "ftp-alternative-to-user", "ftp-method", "ftp-port", "ftp-ssl-ccc-mode",
        "happy-eyeballs-timeout-ms", "haproxy-clientip", "header", "help", "hostpubmd5",
        "hostpubsha256", "hsts", "interface", "ip-tos", "ipfs-gateway", "json", "keepalive-cnt",
        "keepalive-time", "key", "key-type", "knownhosts", "krb", "krb4", "libcurl", "limit-rate",
        "local-port", "login-options", "mail-auth", "mail-from", "mail-rcpt", "max-filesize",
        "max-redirs", "max-time", "netrc-file", "noproxy", "oauth2-bearer", "output", "output-dir",
        "parallel-max", "parallel-max-host", "pass", "pinnedpubkey", "preproxy", "proto",
        "proto-default", "proto-redir", "proxy", "proxy-cacert", "proxy-capath", "proxy-cert",
        "proxy-cert-type", "proxy-ciphers", "proxy-crlfile", "proxy-header", "proxy-key",
        "proxy-key-type", "proxy-pass", "proxy-pinnedpubkey", "proxy-service-name",
        "proxy-tls13-ciphers", "proxy-tlsauthtype", "proxy-tlspassword", "proxy-tlsuser",
        "proxy-user", "proxy1.0", "pubkey", "quote", "random-file", "range", "rate", "referer",
        "request", "request-target", "resolve", "retry", "retry-delay", "retry-max-time",
        "sasl-authzid", "service-name", "sigalgs", "socks4", "socks4a", "socks5",
        "socks5-gssapi-service", "socks5-hostname", "speed-limit", "speed-time", "ssl-sessions",
        "stderr", "telnet-option", "tftp-blksize", "time-cond", "tls-max", "tls13-ciphers",
        "tlsauthtype", "tlspassword", "tlsuser", "trace", "trace-ascii", "trace-config",
        "unix-socket", "upload-file", "upload-flags", "url", "url-query", "user", "user-agent",
        "variable", "vlan-priority", "write-out",
    }
)  # fmt: skip
"""Options that take the next word as their value."""

FLAGS = frozenset(
    {
        "alpn", "anyauth", "append", "basic", "buffer", "ca-native", "cert-status", "clobber",
        "compressed", "compressed-ssh", "create-dirs", "crlf", "digest", "disable", "disable-eprt",
        "disable-epsv", "disallow-username-in-url", "doh-cert-status", "doh-insecure",
        "dump-ca-embed", "environment", "eprt", "epsv", "fail", "fail-early", "fail-with-body",
        "false-start", "follow", "form-escape", "ftp-create-dirs", "ftp-pasv", "ftp-pret",
        "ftp-skip-pasv-ip", "ftp-ssl", "ftp-ssl-ccc", "ftp-ssl-control", "ftp-ssl-reqd", "get",
        "globoff", "haproxy-protocol", "head", "http0.9", "http1.0", "http1.1", "http2",
        "http2-prior-knowledge", "http3", "http3-only", "ignore-content-length", "include",
        "insecure", "ipv4", "ipv6", "junk-session-cookies", "keepalive", "list-only", "location",
        "location-trusted", "mail-rcpt-allowfails", "manual", "metalink", "mptcp", "negotiate",
        "netrc", "netrc-optional", "next", "npn", "ntlm", "ntlm-wb", "out-null", "parallel",
        "parallel-immediate", "path-as-is", "post301", "post302", "post303", "progress-bar",
        "progress-meter", "proxy-anyauth", "proxy-basic", "proxy-ca-native", "proxy-digest",
        "proxy-http2", "proxy-insecure", "proxy-negotiate", "proxy-ntlm", "proxy-ssl-allow-beast",
        "proxy-ssl-auto-client-cert", "proxy-tlsv1", "proxytunnel", "raw", "remote-header-name",
        "remote-name", "remote-name-all", "remote-time", "remove-on-error", "retry-all-errors",
        "retry-connrefused", "sasl-ir", "sessionid", "show-error", "show-headers", "silent",
        "skip-existing", "socks5-basic", "socks5-gssapi", "socks5-gssapi-nec", "ssl",
        "ssl-allow-beast", "ssl-auto-client-cert", "ssl-no-revoke", "ssl-reqd",
        "ssl-revoke-best-effort", "sslv2", "sslv3", "styled-output", "suppress-connect-headers",
        "tcp-fastopen", "tcp-nodelay", "tftp-no-options", "tls-earlydata", "tlsv1", "tlsv1.0",
        "tlsv1.1", "tlsv1.2", "tlsv1.3", "tr-encoding", "trace-ids", "trace-time", "use-ascii",
        "verbose", "version", "xattr",
    }
)  # fmt: skip
"""Options without a value; each may begin with `no-`."""

NEEDLESS = frozenset(
    {
        "compressed", "create-dirs", "fail", "fail-with-body", "get",
        "globoff", "http1.1", "location", "no-progress-meter", "progress-bar",
        "remote-header-name", "remote-name-all", "show-error", "silent",
    }
)  # fmt: skip
"""Options for less output, or for something that happens anyway."""

SENDS = frozenset({"form", "form-string", "json", "upload-file"})
"""Options that send data to the server, even with `-G`."""

DATA = frozenset({"data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "url-query"})
"""Options that send data, or with `-G` parameters of the query."""

CHANGES = frozenset(
    {
        "abstract-unix-socket", "aws-sigv4", "config", "connect-to", "ipfs-gateway", "range",
        "request-target", "resolve", "unix-socket",
    }
)  # fmt: skip
"""Options that change what is fetched. Without them, something else would be downloaded."""

PROTECTS = frozenset(
    {
        "capath", "cert-status", "ciphers", "crlfile", "curves", "disallow-username-in-url",
        "dns-interface", "dns-ipv4-addr", "dns-ipv6-addr", "dns-servers", "doh-url", "ech", "hsts",
        "junk-session-cookies", "max-filesize", "negotiate", "no-location", "ntlm", "ntlm-wb",
        "pinnedpubkey", "preproxy", "proxy-anyauth", "proxy-cacert", "proxy-capath",
        "proxy-ciphers", "proxy-crlfile", "proxy-digest", "proxy-negotiate", "proxy-ntlm",
        "proxy-pinnedpubkey", "proxy-tls13-ciphers", "proxy-tlsauthtype", "proxy-tlspassword",
        "proxy-tlsuser", "sigalgs", "socks5-gssapi", "tls13-ciphers", "tlsauthtype",
        "tlspassword", "tlsuser", "tlsv1.3",
    }
)  # fmt: skip
"""Options by which users protect themselves: how a login is sent, routes, trust, a size.

Without one of them, a request would send more than curl does, trust somebody else, or take another
route, so rheo sends nothing. An option that only permits more, such as `--insecure`, is ignored.
"""


def takes_value(name: str) -> bool | None:
    """Check whether a long option takes the next word; None if curl has no such option."""
    name = name.removeprefix("expand-")  # with variables in its value
    if name in WITH_VALUE:
        return True
    return False if name.removeprefix("no-") in FLAGS else None
