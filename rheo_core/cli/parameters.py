"""What the command line takes: the flags of each argument and option, and their help."""

from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from rheo_core.domain.file_exists import FileExistsStrategy

from .input_flags import BASE, GLOB, INPUT_FILE, LINKS, LIST_OPTIONS, Flag


def _option(flag: Flag) -> OptionInfo:
    option: OptionInfo = typer.Option(*flag.names, metavar=flag.metavar, help=flag.help)
    return option


Urls = Annotated[list[str] | None, typer.Argument(metavar="URL", help="What to download.")]
InputFiles = Annotated[list[str] | None, _option(INPUT_FILE)]
DownloadDir = Annotated[
    str | None,
    typer.Option("-d", "--download-dir", metavar="DIR", help="Folder for downloads."),
]
OutputDir = Annotated[
    str | None, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")
]
Filename = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name to save under; for a single URL.")
]
Checksum = Annotated[
    str | None,
    typer.Option(
        "--hash",
        metavar="ALG:HEX",
        help="Expected hash, such as sha256:9f86...; for a single URL.",
    ),
]
Mirrors = Annotated[
    list[str] | None,
    typer.Option(
        "--mirror",
        metavar="URL",
        help="Another place of the same file, to fetch from as well; for a single URL. "
        "May be repeated.",
    ),
]
Glob = Annotated[bool, _option(GLOB)]
Links = Annotated[str | None, _option(LINKS)]
Base = Annotated[str | None, _option(BASE)]
ListOptions = Annotated[bool, _option(LIST_OPTIONS)]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say line by line what would be downloaded, and do nothing."),
]
Sidecar = Annotated[
    bool,
    typer.Option(
        "--sidecar",
        help="Check each file against URL.sha256 or SHA256SUMS beside it; without one of "
        "these it fails.",
    ),
]
Workers = Annotated[
    str | None,
    typer.Option("-w", "--workers", metavar="N", help="Downloads that run at the same time."),
]
Connections = Annotated[
    str | None,
    typer.Option("-x", "--connections", metavar="N", help="Connections for each download."),
]
LimitRate = Annotated[
    str | None,
    typer.Option(
        metavar="RATE",
        help="Limit for all downloads together, in bytes a second, such as "
        "500K or 5M; off for none.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TIME",
        help="Wait until then before anything is fetched: 23:30, or 2026-11-24T01:00.",
    ),
]
StopAfter = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="End once so many bytes, such as 500M or 2G, have come in this run; the same "
        "command goes on from there. The exit code is 3 then.",
    ),
]
MaxSize = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Largest file to download, such as 500M or 20G; larger ones fail. off: no limit.",
    ),
]
AcceptHtml = Annotated[
    bool,
    typer.Option(
        "--accept-html",
        help="Save a web page even if a file, such as a .zip, was expected.",
    ),
]
Retries = Annotated[
    str | None, typer.Option(metavar="N", help="Attempts after the first one fails.")
]
Exists = Annotated[
    str | None,
    typer.Option(metavar="|".join(FileExistsStrategy), help="What to do when the file exists."),
]
ServerTime = Annotated[
    bool | None,
    typer.Option(
        "--server-time/--no-server-time", help="Give each file the time that the server has for it."
    ),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "-H",
        "--header",
        metavar="'NAME: VALUE'",
        help="Header to send with every request; not past a redirect to another origin, nor to "
        "mirrors. May be repeated.",
    ),
]
UserAgent = Annotated[
    str | None,
    typer.Option("-A", "--user-agent", metavar="TEXT", help="User-Agent header to send."),
]
Referer = Annotated[
    str | None, typer.Option("-e", "--referer", metavar="URL", help="Page that led to the files.")
]
Cookies = Annotated[
    Path | None,
    typer.Option(
        "-b",
        "--cookies",
        metavar="FILE",
        help="Cookies to send, in a cookies.txt; it is only read.",
    ),
]
User = Annotated[
    str | None,
    typer.Option(
        "-u",
        "--user",
        metavar="NAME[:PASSWORD]",
        help="Login for every URL given. Others on this machine may see what is in the command: "
        "with the name alone, the password is asked for, or with --netrc looked up.",
    ),
]
Auth = Annotated[
    str | None,
    typer.Option(metavar="basic|digest", help="Authentication scheme: basic (default) or digest."),
]
Bearer = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", help="Bearer token to send; - asks for it."),
]
Netrc = Annotated[
    bool, typer.Option("--netrc", help="Look up logins in ~/.netrc, or the file $NETRC.")
]
Proxy = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Proxy (http, https, socks5); off: none, whatever the *_PROXY variables say.",
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Certificates (PEM) of the authorities to believe, instead of the system's.",
        exists=True,
        dir_okay=False,
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(
        "--cert",
        metavar="FILE",
        help="Certificate (PEM) to show to the server.",
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Its key (PEM), where it is not in the same file.",
        exists=True,
        dir_okay=False,
    ),
]
Insecure = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST",
        help="Do not check the certificates of HOST: anyone on the way may read and change what "
        "comes. For this command only. May be repeated.",
    ),
]
Ipv4 = Annotated[bool, typer.Option("-4", "--ipv4", help="Connect by IPv4 only.")]
Ipv6 = Annotated[bool, typer.Option("-6", "--ipv6", help="Connect by IPv6 only.")]
Interface = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Address or name of the network interface to connect from."
    ),
]
AllowDowngrade = Annotated[
    bool, typer.Option("--allow-downgrade", help="Follow redirects from https to http.")
]
JsonEvents = Annotated[
    bool, typer.Option("--json", help="Write each event as a line of JSON to standard output.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Show nothing but errors.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Show more of the log, on standard error.")
]
