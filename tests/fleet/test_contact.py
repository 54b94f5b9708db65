"""A long list needs a contact, which the owners of the sites see."""

from pathlib import Path
from typing import Any

import pytest

from rheo_core.fleet import planning
from rheo_core.fleet.contact import check_contact, contact_in, user_agent_with
from rheo_core.fleet.planning import PlanError, PlanRequest, plan_fleet, read_plan
from rheo_core.fleet.shard import work_on_shard
from rheo_core.fleet.targets import open_target
from rheo_core.version import __version__
from tests.faults.program import Home
from tests.fleet.runs import planned, rows_of
from tests.servers.misbehaving import MisbehavingServer

ANN = "ann@example.org"
PAGE = "https://example.org/crawler?of=us"


@pytest.mark.parametrize("text", [ANN, PAGE, "http://x", "a.b+c@d-e.example"])
def test_a_contact_is_found_in_a_user_agent(text: str) -> None:
    assert check_contact(text) == text
    for user_agent in (text, f"Bot/1.0 (+{text})", f"Bot ({text}; {text}x)", f"Bot <{text}>, x"):
        assert contact_in(user_agent) == text


@pytest.mark.parametrize(
    "text",
    ["", "ann", "ann@", "@x.org", "ann@localhost", "ftp://x", "a b@c.d", f"{ANN}\n", "(a@b.c)"],
)
def test_other_words_are_no_contact(text: str) -> None:
    with pytest.raises(ValueError, match="neither an email address nor"):
        check_contact(text)


def test_a_contact_joins_the_user_agent() -> None:
    assert user_agent_with(ANN, None) == f"rheo/{__version__} (+{ANN})"
    assert user_agent_with(ANN, "Bot/1.0") == f"Bot/1.0 (+{ANN})"
    assert user_agent_with(ANN, f"Bot/1.0 ({PAGE})") == f"Bot/1.0 ({PAGE})"


@pytest.mark.parametrize("spread", ["sites", "order"])
def test_a_long_list_needs_a_contact(
    tmp_path: Path, spread: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "MAX_URLS_WITHOUT_CONTACT", 3)
    source = tmp_path / "urls.txt"

    def plan(urls: int, **options: Any) -> str | None:
        source.write_text("".join(f"http://h/{n}\n" for n in range(urls)))
        target = open_target(str(tmp_path / f"out{urls}"))
        request = PlanRequest((str(source),), spread=spread, **options)
        return plan_fleet(target, request, 1).contact

    assert plan(3) is None
    sentence = "more than 3 URLs; tell site owners how to reach you: --contact ann@example.org"
    with pytest.raises(PlanError, match=sentence):
        plan(4)
    assert read_plan(open_target(str(tmp_path / "out4"))) is None
    assert plan(4, usual_contact=PAGE) == PAGE
    assert plan(4) == PAGE  # it is in the plan now
    assert plan(4, contact=ANN) == ANN
    assert plan(4, usual_contact=PAGE) == ANN


def test_a_plan_of_earlier_is_asked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "urls.txt"
    source.write_text("http://h/1\nhttp://h/2\n")
    target = open_target(str(tmp_path / "out"))
    plan_fleet(target, PlanRequest((str(source),)), 1)
    monkeypatch.setattr(planning, "MAX_URLS_WITHOUT_CONTACT", 1)
    with pytest.raises(PlanError, match="tell site owners"):
        plan_fleet(target, PlanRequest(), 1)
    assert plan_fleet(target, PlanRequest(contact=ANN), 1).contact == ANN


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        (None, f"rheo/{__version__} (+{ANN})"),
        ("Bot/1", f"Bot/1 (+{ANN})"),
        (f"Bot ({PAGE})", f"Bot ({PAGE})"),
    ],
)
async def test_servers_see_the_contact(
    server: MisbehavingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    user_agent: str | None,
    expected: str,
) -> None:
    if user_agent is not None:
        monkeypatch.setenv("RHEO_REQUEST", f'{{"user_agent": "{user_agent}"}}')
    run = planned(tmp_path / "out", rows_of(server, 1), contact=ANN)
    await work_on_shard(run.tasks[0])
    assert server.requests[0].headers["user-agent"] == expected


async def test_the_flag(tmp_path: Path, home: Home) -> None:
    (tmp_path / "urls.txt").write_text("http://h/1\n")
    words = ["fleet", "plan", tmp_path / "urls.txt", "-o", tmp_path / "out", "--contact"]
    bad = await home.rheo(*words, "me")
    assert (bad.code, bad.err) == (
        2, "rheo: --contact: 'me' is neither an email address nor an http or https URL.\n"
    )  # fmt: skip
    assert (await home.rheo(*words, ANN)).code == 0
    plan = read_plan(open_target(str(tmp_path / "out")))
    assert plan is not None and plan.contact == ANN
