"""Where the checks work, how they run programs, and how they fail."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
WORK = ROOT / ".tools" / "deploy"


class Failed(Exception):
    """deploy/ is wrong; the text says where."""


class Missing(Exception):
    """A tool is missing; the text says which, and how to get it."""


def need(program: str, how: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise Missing(f"{program} is not on PATH: {how}")
    return path


def run(*argv: str, cwd: Path, env: dict[str, str] | None = None, codes: tuple[int, ...] = (0,)) -> str:
    """Runs a program to its end and returns its standard output; Failed, at another exit code, shows all that it said."""
    done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
    if done.returncode not in codes:
        raise Failed(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def fresh(name: str, *parts: str) -> Path:
    """A copy of parts of deploy/ in a folder of its own, so that no tool leaves files in the tree."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    for part in parts:
        source = DEPLOY / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("node_modules", "out", ".terraform*", "cdk.out"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / part)
    return folder


def load(path: str) -> Any:
    return json.loads((DEPLOY / path).read_text())


def meshtask() -> Path:
    """Our own program, to ask what it makes of a configuration."""
    need("go", "the version of go.mod")
    program = WORK / "meshtask"
    run("go", "build", "-o", str(program), "./cmd/meshtask", cwd=ROOT)
    return program


def loads(program: Path, config: str, secrets: list[str] | None = None) -> None:
    """Fails unless meshtask takes the configuration, where it has these secrets in its environment: the CAs of the
    servers are among them where it has no client agent."""
    given = list(secrets or []) + (["CONSUL_HTTPS_CACERT_PEM", "CONSUL_GRPC_CACERT_PEM"] if "consulServers" in json.loads(config) else [])
    run(str(program), "config", "check", cwd=WORK, env={"MESHTASK_CONFIG_JSON": config} | dict.fromkeys(given, "a secret"))
