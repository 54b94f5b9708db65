"""X-Robots-Tag: respected if the user wants that, for all directives that concern this program."""

from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.domain.robots_tag import directives_of
from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard import work_on_shard
from rheo_core.fleet.shard_downloads import WorkerOptions
from tests.core.engine import error_of, fetch, names_in, quick_retries, serving, status_of
from tests.fleet.runs import planned
from tests.servers.misbehaving import MisbehavingServer, body_of

BODY = body_of(10_000)


@pytest.mark.parametrize(
    ("values", "directives"),
    [
        (["noai"], {"noai"}),
        (["NoIndex , NOFOLLOW", "noai"], {"noindex", "nofollow", "noai"}),
        (["otherbot: noindex, nofollow"], set()),
        (["rheo: noai, noindex"], {"noai", "noindex"}),
        (["noai, otherbot: noindex"], {"noai"}),
        (["*: noai"], {"noai"}),
        (["max-snippet: 5, noai"], {"max-snippet", "noai"}),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST"], {"unavailable_after"}),
        (["", ","], set()),
    ],
)
def test_directives_for_this_program(values: list[str], directives: set[str]) -> None:
    assert directives_of(values) == directives


async def test_a_refused_file_is_not_fetched_again(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    refused = FileConfig(url=server.on("/a", serving(BODY, X_Robots_Tag="all, noai")))
    allowed = FileConfig(url=server.on("/b", serving(BODY, X_Robots_Tag="nofollow")))
    manager, _ = await fetch(
        tmp_path,
        [refused, allowed],
        refused_robots_tags=frozenset({"noai"}),
        retry_handler=quick_retries(),
    )
    assert status_of(manager, allowed) is DownloadStatus.COMPLETED
    assert status_of(manager, refused) is DownloadStatus.FAILED
    assert (
        error_of(manager, refused)
        == "the server asks programs not to use this file (X-Robots-Tag: noai)"
    )
    assert names_in(tmp_path) == ["b"]
    assert len(server.requests_for("/a")) == 1


async def test_nothing_is_refused_unless_the_user_wants_it(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/a", serving(BODY, X_Robots_Tag="noai")))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED


@pytest.mark.parametrize("of_plan", [False, True])
@pytest.mark.parametrize("of_user", [False, True])
async def test_a_fleet_respects_it_unless_plan_and_user_agree_to_ignore_it(
    server: MisbehavingServer, tmp_path: Path, of_plan: bool, of_user: bool
) -> None:
    """Somebody else may have written the plan."""
    rows = [Row(server.on("/a", serving(BODY, X_Robots_Tag="noindex")))]
    run = planned(tmp_path / "out", rows, ignore_robots_tag=of_plan)
    facts = await work_on_shard(run.tasks[0], WorkerOptions(ignore_robots_tag=of_user))
    assert facts.errors == ({} if of_plan and of_user else {"robots_tag": 1})
