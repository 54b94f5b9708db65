"""Parameters of `rheo fleet`, with their flags and help."""

from pathlib import Path
from typing import Annotated

import typer

Lists = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LIST",
        help="Files with URLs, or URLs of such files in an object store. -: standard input. "
        "Not needed if OUT has a plan.",
    ),
]
Out = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT",
        help="Output folder, or its URL in an object store, such as s3://bucket/folder.",
    ),
]
ExistingOut = Annotated[str, typer.Argument(metavar="OUT", help="Output folder of a fleet run.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="lines|jsonl|csv|tsv|parquet",
        help="Format of the lists. By default it is recognised by name and content, and all "
        "other formats of docs/INPUTS.md are read too.",
    ),
]
UrlColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="Column of URLs: url, uri, link, href or download_url by default."
    ),
]
HashColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column of expected hashes. By default, the one named after an algorithm. off: none.",
    ),
]
NameColumn = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column of file names, for their extensions.")
]
Keep = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Column that the results repeat. May be repeated."),
]
ShardSize = Annotated[
    int | None, typer.Option(metavar="N", help="Entries in a shard, 10000 by default.")
]
SpreadBy = Annotated[
    str | None,
    typer.Option(
        "--spread",
        metavar="sites|order",
        help="sites: one worker at a time has the URLs of a site, so limits of hosts hold for the "
        "cluster (default). order: shards follow the list, and limits hold for each worker.",
    ),
]
LaneCount = Annotated[
    int | None,
    typer.Option(
        "--lanes",
        metavar="N",
        help="Shards that run at a time at most; by default, as many as the workers can run.",
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(metavar="files|tar", help="A folder of files for each shard, or a tar archive."),
]
Concurrency = Annotated[
    int | None, typer.Option(metavar="N", help="Downloads at a time in a shard, 256 by default.")
]
HostConnections = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Connections to a host of the whole cluster at most, 16 by default."
    ),
]
HostRate = Annotated[
    str | None,
    typer.Option(metavar="RATE", help="Bytes per second from a host to the whole cluster at most."),
]
FleetRetries = Annotated[
    int | None,
    typer.Option("--retries", metavar="N", help="Retries after a failed attempt, 1 by default."),
]
FleetMaxSize = Annotated[
    str | None,
    typer.Option(
        "--max-size", metavar="SIZE", help="Largest file to download, such as 500M. off: no limit."
    ),
]
ComputeHash = Annotated[
    str | None,
    typer.Option(metavar="ALGORITHM", help="Hash that the results state for each file."),
]
IgnoreRobotsTag = Annotated[
    bool | None,
    typer.Option(
        "--ignore-robots-tag/--respect-robots-tag",
        help="Download files even if X-Robots-Tag says noai, noimageai, noindex, noimageindex or "
        "none. By default they fail.",
    ),
]
Contact = Annotated[
    str | None,
    typer.Option(
        metavar="MAIL|URL",
        help="Contact for the owners of the sites, sent in User-Agent. Lists of more than a "
        "million URLs need one, unless the user_agent of the settings has it.",
    ),
]
SliceOf = Annotated[
    str,
    typer.Option(
        "--slice",
        metavar="I/N",
        help="Slice to work on: number I, which begins with 0, of N. 0/1 is the whole run.",
    ),
]
ShardsAtOnce = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        max=64,
        help="Shards that this process runs at a time, so that slow hosts do not hold it up.",
    ),
]
Scratch = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder for files until their shard is stored. By default OUT, or the system's "
        "temporary folder if OUT is an object store.",
    ),
]
