"""Flags of `rheo fleet` with their help texts."""

from typing import Annotated

import typer

Lists = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LIST",
        help="Files with URLs, or URLs of such files in an object store. -: standard input. "
        "Optional if OUT has a plan.",
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
        help="Format of the lists. By default, rheo detects it from name and content, including "
        "all other formats in docs/INPUTS.md.",
    ),
]
UrlColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="Column of URLs. Default: url, uri, link, href or download_url."
    ),
]
HashColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column of expected hashes. Default: a column named after a hash algorithm. off: "
        "none.",
    ),
]
NameColumn = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column of file names. rheo uses only their extensions."),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Column to copy to the results. May be repeated."),
]
ShardSize = Annotated[
    int | None, typer.Option(metavar="N", help="Number of entries in a shard. Default: 10000.")
]
SpreadBy = Annotated[
    str | None,
    typer.Option(
        "--spread",
        metavar="sites|order",
        help="sites (default): only one worker at a time downloads from a site, so that host "
        "limits apply to the whole cluster. order: shards follow the list, and host limits apply "
        "to each worker.",
    ),
]
LaneCount = Annotated[
    int | None,
    typer.Option(
        "--lanes",
        metavar="N",
        help="Maximum number of shards at a time. Default: the number that the workers can run.",
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="files|tar", help="Output for each shard: a folder of files, or a tar archive."
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Number of parallel downloads in a shard. Default: 256. A worker's own "
        "max_concurrent also applies.",
    ),
]
HostConnections = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Maximum number of connections from the whole cluster to a host. Default: 16. "
        "A worker's own connections_per_host also applies.",
    ),
]
HostRate = Annotated[
    str | None,
    typer.Option(
        metavar="RATE", help="Speed limit of the whole cluster for a host, in bytes per second."
    ),
]
FleetRetries = Annotated[
    int | None,
    typer.Option(
        "--retries", metavar="N", help="Number of retries after a failed attempt. Default: 1."
    ),
]
FleetMaxSize = Annotated[
    str | None,
    typer.Option(
        "--max-size",
        metavar="SIZE",
        help="Largest file to download, such as 500M. off: no limit. A worker's own max_size also "
        "applies.",
    ),
]
ComputeHash = Annotated[
    str | None,
    typer.Option(metavar="ALGORITHM", help="Hash of each file to include in the results."),
]
IgnoreRobotsTag = Annotated[
    bool | None,
    typer.Option(
        "--ignore-robots-tag/--respect-robots-tag",
        help="Download files even if X-Robots-Tag contains noai, noimageai, noindex, noimageindex "
        "or none. By default, these files fail. Repeat it with each command that downloads.",
    ),
]
Contact = Annotated[
    str | None,
    typer.Option(
        metavar="MAIL|URL",
        help="Contact for site owners, sent in the User-Agent header. Required for more than a "
        "million URLs, "
        "unless the user_agent setting contains one.",
    ),
]
SliceOf = Annotated[
    str,
    typer.Option(
        "--slice",
        metavar="I/N",
        help="Slice to download: number I of N, counted from 0. 0/1 is the whole run.",
    ),
]
ShardsAtOnce = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        max=64,
        help="Number of shards to run at a time, so that slow hosts do not delay the rest.",
    ),
]
Scratch = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Folder for files until their shard is complete. Default: OUT, or the system's "
        "temporary folder if OUT is in an object store.",
    ),
]
