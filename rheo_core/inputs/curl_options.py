"""The options of curl 8, as far as they matter for reading a command."""

LETTERS = {
    "A": "user-agent", "b": "cookie", "c": "cookie-jar", "C": "continue-at", "d": "data", "D":
    "dump-header", "e": "referer", "E": "cert", "f": "fail", "F": "form", "g": "globoff", "G":
    "get", "h": "help", "H": "header", "I": "head", "J": "remote-header-name", "k":
    "insecure", "K": "config", "L": "location", "m": "max-time", "o": "output", "O":
    "remote-name", "P": "ftp-port", "Q": "quote", "r": "range", "s": "silent", "S":
    "show-error", "t": "telnet-option", "T": "upload-file", "u": "user", "U": "proxy-user",
    "v": "verbose", "w": "write-out", "x": "proxy", "X": "request", "y": "speed-time", "Y":
    "speed-limit", "z": "time-cond", "#": "progress-bar", "n": "netrc", "4": "ipv4", "6": "ipv6",
}  # fmt: skip
"""Long names of those that have a letter too."""

WITH_VALUE = frozenset(
    {
        "abstract-unix-socket", "alt-svc", "aws-sigv4", "cacert", "capath", "cert",
        "cert-type", "ciphers", "config", "connect-timeout", "connect-to", "continue-at",
        "cookie", "cookie-jar", "create-file-mode", "crlfile", "curves", "data", "data-ascii",
        "data-binary", "data-raw", "data-urlencode", "delegation", "dns-interface",
        "dns-ipv4-addr", "dns-ipv6-addr", "dns-servers", "doh-url", "dump-header", "ech",
        "egd-file", "engine", "etag-compare", "etag-save", "expect100-timeout", "form",
        "form-string", "ftp-account", "ftp-alternative-to-user", "ftp-method", "ftp-port",
        "ftp-ssl-ccc-mode", "happy-eyeballs-timeout-ms", "haproxy-clientip", "header", "help",
        "hostpubmd5", "hostpubsha256", "hsts", "interface", "ip-tos", "ipfs-gateway", "json",
        "keepalive-cnt", "keepalive-time", "key", "key-type", "knownhosts", "krb", "libcurl",
        "limit-rate", "local-port", "login-options", "mail-auth", "mail-from", "mail-rcpt",
        "max-filesize", "max-redirs", "max-time", "netrc-file", "noproxy", "oauth2-bearer",
        "output", "output-dir", "parallel-max", "parallel-max-host", "pass", "pinnedpubkey",
        "preproxy", "proto", "proto-default", "proto-redir", "proxy", "proxy-cacert",
        "proxy-capath", "proxy-cert", "proxy-cert-type", "proxy-ciphers", "proxy-crlfile",
        "proxy-header", "proxy-key", "proxy-key-type", "proxy-pass", "proxy-pinnedpubkey",
        "proxy-service-name", "proxy-tls13-ciphers", "proxy-tlsauthtype", "proxy-tlspassword",
        "proxy-tlsuser", "proxy-user", "proxy1.0", "pubkey", "quote", "random-file", "range",
        "rate", "referer", "request", "request-target", "resolve", "retry", "retry-delay",
        "retry-max-time", "sasl-authzid", "service-name", "sigalgs", "socks4", "socks4a",
        "socks5", "socks5-gssapi-service", "socks5-hostname", "speed-limit", "speed-time",
        "stderr", "telnet-option", "tftp-blksize", "time-cond", "tls-max", "tls13-ciphers",
        "tlsauthtype", "tlspassword", "tlsuser", "trace", "trace-ascii", "trace-config",
        "unix-socket", "upload-file", "upload-flags", "url", "url-query", "user", "user-agent",
        "variable", "vlan-priority", "write-out",
    }
)  # fmt: skip
"""Those that take the next word; options that are not known are taken for ones that do not."""

NEEDLESS = frozenset(
    {
        "basic", "compressed", "continue-at", "create-dirs", "fail", "fail-with-body", "get",
        "globoff", "http1.1", "location", "no-progress-meter", "progress-bar",
        "remote-header-name", "remote-name-all", "show-error", "silent",
    }
)  # fmt: skip
"""They ask for what is done in any case, or for less to be said."""

SENDS = frozenset(
    {
        "data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "form",
        "form-string", "json", "upload-file",
    }
)  # fmt: skip
"""They send something to the server."""
