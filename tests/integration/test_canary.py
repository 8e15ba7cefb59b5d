"""No secret is in anything that harvester writes: outputs of commands, stored files, messages."""

from __future__ import annotations

import base64
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from support.builders import make_backtests, make_scenario
from support.cli import Done, commands, harvester_beside
from support.relays import Relay, port_of, relaying
from support.servers.listener import Listener, listening

from harvester.simulator import Fault, FaultKind, Identity, Scenario, Simulator

USER_ID = 98765432109
TOKEN = "CANARY0of0token0canary"
PASSWORD = "CANARY0%40proxy"
MEANT = "CANARY0@proxy"
ECHO = "UID: *** Hash: ***"
LOCKED_OUT = "locked out for a time: fix the token, then wait"


@dataclass
class World:
    """An account that is read through a proxy, by a user who is told of everything."""

    cwd: Path
    relay: Relay
    listener: Listener
    environ: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)
    """What each command has printed, by its words."""

    async def call(self, *words: str, code: int, token: str = TOKEN) -> Done:
        environ = self.environ | {"QUANTCONNECT_API_TOKEN": token}
        done = await harvester_beside(*words, cwd=self.cwd, environ=environ)
        assert done.code == code, f"{words}: {done.out}{done.err}"
        self.outputs[" ".join(words)] = done.out + done.err
        return done

    def secrets(self) -> set[bytes]:
        """Everything that must not be found, the signature of each request that was sent included."""
        heard = b"".join(self.relay.heard)
        sent = set(re.findall(rb"\r\nAuthorization: Basic (\S+)", heard))
        assert len(sent) > 1
        digests = {base64.b64decode(basic).partition(b":")[2] for basic in sent}
        passwords = {PASSWORD.encode(), MEANT.encode(), base64.b64encode(f"user:{MEANT}".encode())}
        return sent | digests | passwords | {TOKEN.encode(), b"CANARY", str(USER_ID).encode()}

    def written(self) -> Iterator[tuple[str, bytes]]:
        """Everything that was written, and where."""
        yield from ((words, output.encode()) for words, output in self.outputs.items())
        yield from ((f"told {path}", body.encode()) for path, body in self.listener.told)
        for path in self.cwd.rglob("*"):
            if path.suffix == ".zip":
                with zipfile.ZipFile(path) as packed:
                    yield from ((f"{path}: {name}", packed.read(name)) for name in packed.namelist())
            elif path.is_file():
                yield str(path), path.read_bytes()

    def found(self, text: str) -> set[str]:
        """Where a text is: names of files, or the words of a command."""
        return {Path(place).name for place, content in self.written() if text.encode() in content}


@asynccontextmanager
async def world(cwd: Path, scenario: Scenario) -> AsyncIterator[World]:
    async with (
        Simulator(scenario) as simulator,
        relaying(port_of(simulator)) as relay,
        listening() as listener,
    ):
        here = listener.url.replace("127.0.0.1", "localhost")  # is not reached through the proxy
        environ = {
            "HARVESTER_API_BASE_URL": simulator.base_url,
            "HARVESTER_API_TRIES": "2",
            "HARVESTER_METRICS_TEXTFILE": str(cwd / "metrics.prom"),
            "HARVESTER_NOTIFY_APPRISE_URLS": here.replace("http://", "json://") + "/chat-CANARY0chat",
            "HARVESTER_NOTIFY_APPRISE_WHEN": "always",
            "HARVESTER_NOTIFY_HEALTHCHECKS_URL": f"{here}/ping",
            "HARVESTER_NOTIFY_WEBHOOK_URL": f"{here}/hook",
            "HARVESTER_PACE_RATE_PER_MIN": "60000",
            "HARVESTER_REPORTS_RETRY_AFTER": "20ms",
            "HTTP_PROXY": f"http://user:{PASSWORD}@127.0.0.1:{relay.port}",
            "NO_PROXY": "localhost",
            "QUANTCONNECT_USER_ID": str(USER_ID),
        }
        yield World(cwd, relay, listener, environ)


def scenario(**fields: object) -> Scenario:
    base = make_scenario(make_backtests(3), make_backtests(2))
    return msgspec.structs.replace(base, user_id=USER_ID, token=TOKEN, **fields)


async def test_a_server_that_echoes_signatures_gets_none_of_them_written_down(tmp_path: Path) -> None:
    report = scenario().projects[0].backtests[0].backtest_id
    faults = (
        Fault(kind=FaultKind.HASH_ECHO, route="backtests/list", project_id=102),
        Fault(kind=FaultKind.HASH_ECHO, route="backtests/read/report", backtest_id=report),
    )
    async with world(tmp_path, scenario(faults=faults)) as account:
        await account.call("-v", "run", code=3)
        await account.call("--log-format", "json", "run", "--json", "--refresh", code=3)
        await account.call("run", "--dry-run", code=0)
        await account.call("doctor", code=0)
        for words in (*READING, ("history", report)):
            await account.call(*words, code=0)
    check(account)
    assert {"journal.jsonl", "inventory.jsonl", "snapshot.json", "catalog.sqlite"} <= account.found(ECHO)
    assert {"-v run", f"history {report}", "hook"} <= account.found(ECHO)


READING = [
    ("snapshots", "--json"),
    ("list", "--json"),
    ("list", "--csv"),
    ("diff", "latest", "latest"),
    ("verify",),
    ("verify", "--repair"),
    ("export", "latest", "--to", "taken"),
    ("export", "latest", "--to", "packed", "--zip"),
    ("catalog", "rebuild"),
    ("config", "show"),
    ("schedule",),
    ("prune", "--keep-within", "30d"),
]


async def test_refused_credentials_are_written_nowhere(tmp_path: Path) -> None:
    identity = Identity(words="echo", locked_after=4, locked_s=3600)
    async with world(tmp_path, scenario(identity=identity)) as account:
        await account.call("-v", "run", code=12, token="wrong0CANARY0token")
        await account.call("doctor", "--json", code=12, token="wrong0CANARY0token")
        for command in ("run", "doctor"):
            before = len(account.relay.heard)
            await account.call(command, code=12)
            assert b"".join(account.relay.heard[before:]).count(b"POST ") == 1
    check(account)
    assert {"-v run", "doctor --json", "hook"} <= account.found(ECHO)
    assert {"run", "doctor", "hook", "chat-CANARY0chat"} <= account.found(LOCKED_OUT)


def check(account: World) -> None:
    secrets = account.secrets()
    for place, content in account.written():
        for secret in secrets:
            found = content.find(secret)
            assert found < 0, f"{place}: {content[max(0, found - 80) : found + 80]!r}"


def test_every_command_is_called() -> None:
    """A new command has to be added to those that are watched here, or to the exceptions."""
    called = {"run", "doctor", "history", *(words[0] for words in READING)}
    known = {name.split()[0] for name in commands()}
    public, of_the_bucket = {"demo", "simulate", "help"}, {"push", "restore", "browse"}
    assert known - called == public | of_the_bucket, "nothing secret, or test_cli_bucket watches them"
