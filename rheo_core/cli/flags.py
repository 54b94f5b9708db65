"""Command-line flags with their help texts."""

from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.hash_algorithms import HashAlgorithm

from .input_flags import BASE, GLOB, INPUT_FILE, LINKS, LIST_OPTIONS, Flag


def _option(flag: Flag) -> OptionInfo:
    option: OptionInfo = typer.Option(*flag.names, metavar=flag.metavar, help=flag.help)
    return option


Urls = Annotated[list[str] | None, typer.Argument(metavar="URL", help="URLs to download.")]
InputFiles = Annotated[list[str] | None, _option(INPUT_FILE)]
DownloadDir = Annotated[
    str | None,
    typer.Option("-d", "--download-dir", metavar="DIR", help="Download folder."),
]
OutputDir = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        "-d",
        "--download-dir",
        metavar="DIR",
        help="Download folder. -: write the file to standard output; only with a single URL.",
    ),
]
Continue = Annotated[
    bool,
    typer.Option(
        "-c",
        "--continue",
        help="Compare an existing file with the size on the server instead of skipping it; fail if "
        "it is not complete. rheo always resumes its own interrupted downloads.",
    ),
]
Filename = Annotated[
    str | None, typer.Option(metavar="NAME", help="File name; only with a single URL.")
]
Checksums = Annotated[
    list[str] | None,
    typer.Option(
        "--hash",
        metavar="ALG:HEX",
        help="Expected hash, such as sha256:9f86...; only with a single URL. May be repeated; "
        "rheo uses the strongest one, and none from the URL or the list.",
    ),
]
ComputeHash = Annotated[
    HashAlgorithm | None,
    typer.Option(
        metavar="|".join(HashAlgorithm),
        help="Compute this hash of each file while downloading, and report it.",
    ),
]
Mirrors = Annotated[
    list[str] | None,
    typer.Option(
        "--mirror",
        metavar="URL",
        help="Additional URL of the same file; only with a single URL. May be repeated.",
    ),
]
Glob = Annotated[bool, _option(GLOB)]
Links = Annotated[str | None, _option(LINKS)]
Base = Annotated[str | None, _option(BASE)]
ListOptions = Annotated[bool, _option(LIST_OPTIONS)]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show the downloads without starting them."),
]
Sidecar = Annotated[
    bool,
    typer.Option(
        "--sidecar",
        help="Verify each file with URL.sha256 or SHA256SUMS next to it, in addition to a hash in "
        "the list. Fail if neither exists. Not used with --hash.",
    ),
]
Workers = Annotated[
    str | None,
    typer.Option("-w", "--workers", metavar="N", help="Number of parallel downloads."),
]
Connections = Annotated[
    str | None,
    typer.Option(
        "-x", "--connections", metavar="N", help="Maximum number of connections per download."
    ),
]
LimitRate = Annotated[
    str | None,
    typer.Option(
        metavar="RATE",
        help="Total speed limit in bytes per second, such as 500K or 5M. off: no limit.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TIME",
        help="Start downloading at this time: 23:30, or 2026-11-24T01:00.",
    ),
]
StopAfter = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Stop after this amount of data, such as 500M or 2G, and exit with status 3. Run the "
        "same command again to resume. Requires --exists skip (default) or error.",
    ),
]
MaxSize = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Largest file to download, such as 500M or 20G. Larger files fail. off: no limit.",
    ),
]
AcceptHtml = Annotated[
    bool,
    typer.Option(
        "--accept-html",
        help="Save a web page even if a file, such as a .zip, was expected.",
    ),
]
IgnoreDigest = Annotated[
    bool,
    typer.Option(
        "--ignore-digest",
        help="Save a file even if it does not match a checksum in the server's headers, such as a "
        "stale Content-MD5. --hash still applies.",
    ),
]
Retries = Annotated[
    str | None, typer.Option(metavar="N", help="Number of retries after a failed attempt.")
]
ResponseTimeout = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS",
        help="Time limit for connecting and receiving the response headers, in seconds.",
    ),
]
NetworkTimeout = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS",
        help="Time to wait while this computer has no network, in seconds. Default: 600. 0: do "
        "not wait.",
    ),
]
Exists = Annotated[
    str | None,
    typer.Option(metavar="|".join(FileExistsStrategy), help="Action if the file already exists."),
]
ServerTime = Annotated[
    bool | None,
    typer.Option(
        "--server-time/--no-server-time",
        help="Set the modification time of each file to the one that the server sends.",
    ),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "-H",
        "--header",
        metavar="'NAME: VALUE'",
        help="Header to send with every request, but not to mirrors or after a redirect to "
        "another origin. May be repeated.",
    ),
]
UserAgent = Annotated[
    str | None,
    typer.Option("-A", "--user-agent", metavar="TEXT", help="User-Agent header to send."),
]
Referer = Annotated[
    str | None,
    typer.Option(
        "-e", "--referer", metavar="URL", help="Referer header: the page that links to the files."
    ),
]
Cookies = Annotated[
    Path | None,
    typer.Option(
        "-b",
        "--cookies",
        metavar="FILE",
        help="File of cookies to send, in the cookies.txt format. rheo never changes it.",
    ),
]
User = Annotated[
    str | None,
    typer.Option(
        "-u",
        "--user",
        metavar="NAME[:PASSWORD]",
        help="Login for all URLs of the command. Other users can read command lines, so give only "
        "the name. rheo then asks for the password, or reads it with --netrc.",
    ),
]
Auth = Annotated[
    str | None,
    typer.Option(
        metavar="basic|digest|any",
        help="Authentication scheme: basic (default), digest, or any that the server asks for.",
    ),
]
Bearer = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN", help="Bearer token to send instead of a --user login. -: prompt for it."
    ),
]
Netrc = Annotated[
    bool, typer.Option("--netrc", help="Look up logins in ~/.netrc or the file $NETRC.")
]
Proxy = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Proxy (http, https, socks5). off: none, even if *_PROXY variables are set.",
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="CA certificates (PEM) to trust instead of the system's.",
        exists=True,
        dir_okay=False,
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(
        "--cert",
        metavar="FILE",
        help="Client certificate (PEM).",
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Private key (PEM) of --cert, if it is in a separate file.",
        exists=True,
        dir_okay=False,
    ),
]
Insecure = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST",
        help="Do not check the certificate of HOST. Anyone on the network path can then read and "
        "change the data. Applies to this command only. May be repeated.",
    ),
]
Ipv4 = Annotated[bool, typer.Option("-4", "--ipv4", help="Use IPv4 only.")]
Ipv6 = Annotated[bool, typer.Option("-6", "--ipv6", help="Use IPv6 only.")]
Interface = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Network interface to use, by name or address."),
]
AllowDowngrade = Annotated[
    bool, typer.Option("--allow-downgrade", help="Follow redirects from https to http.")
]
JsonEvents = Annotated[
    bool, typer.Option("--json", help="Print events as JSON, one object per line.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Show only errors.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Show more log messages on standard error.")
]
FilterWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILTER",
        help="Filter for the downloads to list, such as 'status:failed size>1g'. Default: all.",
    ),
]
ListJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object per download."),
]
SessionFile = Annotated[
    Path | None,
    typer.Option(
        "--session", metavar="FILE", help="Session file to read instead of the app's own."
    ),
]
