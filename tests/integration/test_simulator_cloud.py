"""What official clients ask beside projects and backtests: organizations, credit, environments, files."""

from __future__ import annotations

from support.asker import asking
from support.builders import USER_ID, make_scenario

from harvester.simulator import ProjectSpec

_OTHER = "f" * 32
_TWO = make_scenario(
    projects=(
        ProjectSpec(project_id=1, name="Mine"),
        ProjectSpec(project_id=2, name="Theirs", organization_id=_OTHER),
    )
)


async def test_organizations_are_those_of_the_projects_and_the_first_is_the_users_own() -> None:
    async with asking(_TWO) as asker:
        rows = (await asker.ask("organizations/list"))["organizations"]
        own = (await asker.ask("organizations/read"))["organization"]
        other = (await asker.ask("organizations/read", {"organizationId": _OTHER}))["organization"]
    assert [(row["ownerName"], row["preferred"]) for row in rows] == [("You", True), ("Somebody else", False)]
    assert [own["id"], other["id"]] == [row["id"] for row in rows]
    assert own["members"][0]["id"] == USER_ID


async def test_an_account_without_projects_has_an_organization_all_the_same() -> None:
    async with asking(make_scenario()) as asker:
        (row,) = (await asker.ask("organizations/list"))["organizations"]
        credit = await asker.ask("account/read")
    assert credit == {
        "organizationId": row["id"],
        "creditBalance": 0.0,
        "card": None,
        "success": True,
    }


async def test_an_unknown_organization_is_refused() -> None:
    unknown = {"organizationId": "none"}
    async with asking(_TWO) as asker:
        answers = [await asker.ask(route, unknown) for route in ("organizations/read", "account/read")]
    assert answers == [{"errors": ["Organization not found"], "success": False}] * 2


async def test_versions_are_those_of_the_project_listing() -> None:
    async with asking(_TWO) as asker:
        versions = (await asker.ask("lean/versions/read"))["versions"]
        listed = await asker.ask("projects/read")
        (environment,) = (await asker.ask("lean/environments/read"))["environments"]
    assert versions == listed["versions"]
    assert {row["leanEnvironment"] for row in listed["projects"]} == {environment["id"]}


async def test_files_are_read_together_and_by_name() -> None:
    async with asking(_TWO) as asker:
        (row,) = (await asker.ask("files/read", {"projectId": 1}))["files"]
        by_name = await asker.ask("files/read", {"projectId": 1, "name": "main.py"})
        no_file = await asker.ask("files/read", {"projectId": 1, "name": "other.py"})
        no_project = await asker.ask("files/read", {"projectId": 3})
    assert by_name["files"] == [row]
    assert (row["projectId"], row["isLibrary"]) == (1, False)
    assert no_file == {"errors": ["File not found"], "success": False}
    assert no_project == {"errors": ["Project not found"], "success": False}
