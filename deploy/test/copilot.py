"""Checks the Copilot example: the manifest by a schema of what it uses, and the
patches on a stack as Copilot makes it of the manifest.

Copilot itself is not run: skeleton() is the part of its template for a backend
service that the manifest and the patches touch.
"""

from typing import Any

import jsonpatch
import yaml
from jsonschema import Draft202012Validator

import compare
from cloudformation import Loader, Stack, template
from work import DEPLOY, Failed, load

WEB = DEPLOY / "copilot" / "web"


def check() -> str:
    manifest = yaml.safe_load((WEB / "manifest.yml").read_text())
    problems = [
        f"manifest.yml: {'/'.join(map(str, e.path))}: {e.message}"
        for e in Draft202012Validator(load("test/copilot.schema.json")).iter_errors(manifest)
    ]
    if problems:
        raise Failed("\n".join(problems))
    with (WEB / "overrides" / "cfn.patches.yml").open() as file:
        patches = yaml.load(file, Loader)
    addon = template(WEB / "addons" / "mesh.yml")
    stack = skeleton(manifest)
    try:
        patched = jsonpatch.JsonPatch(patches).apply(stack)
    except jsonpatch.JsonPatchException as e:
        raise Failed(f"cfn.patches.yml does not fit a stack of Copilot's: {e}") from e
    # An output of the addon is the secret that the addon makes.
    secret = Stack(addon, {"Name": manifest["name"]} | {n: "x" for n in ("App", "Env")})
    outputs = {name: secret.value(o["Value"]) for name, o in addon["Outputs"].items()}
    rendered = Nested(patched, outputs).definitions()
    compare.definitions(
        "Copilot",
        {"web": next(iter(rendered.values()))},
        ["single"],
        {"containerDefinitions", "cpu", "memory", "tags", "networkMode", "requiresCompatibilities"},
    )
    service = patched["Resources"]["Service"]["Properties"]
    if service["PropagateTags"] != "TASK_DEFINITION":
        raise Failed("Copilot: the service does not propagate the definition's tags")
    document = secret.of("AWS::IAM::ManagedPolicy")[0]["PolicyDocument"]
    compare.policies("Copilot", {"web-task": document["Statement"]}, ["web-task"])
    return f"{len(patches)} patches, {len(addon['Resources'])} resources"


class Nested(Stack):
    """A stack that uses outputs of its addons' stack."""

    def __init__(self, t: Any, outputs: dict[str, str]) -> None:
        super().__init__(t, {})
        self.outputs = outputs

    def attribute(self, name: str, attribute: str) -> str:
        if name == "AddonsStack":
            return self.outputs[attribute.removeprefix("Outputs.")]
        return super().attribute(name, attribute)


def skeleton(m: dict[str, Any]) -> dict[str, Any]:
    """The stack of a backend service before patches, without what no patch touches.

    The log configuration is Copilot's own, with its own group; here it is that of
    deploy/single.json, which is not the example's matter.
    """
    check = m["image"]["healthcheck"]
    seconds = {k: int(check[k].removesuffix("s")) for k in ("interval", "timeout", "start_period")}
    container = {
        "Name": m["name"],
        "Image": m["image"]["location"],
        "Essential": True,
        "EntryPoint": m["entrypoint"],
        "Command": m["command"],
        "Environment": [],
        "PortMappings": [{"ContainerPort": m["image"]["port"]}],
        "HealthCheck": {
            "Command": check["command"],
            "Interval": seconds["interval"],
            "Timeout": seconds["timeout"],
            "Retries": check["retries"],
            "StartPeriod": seconds["start_period"],
        },
        "LogConfiguration": {
            "LogDriver": "awslogs",
            "Options": {"awslogs-group": "/ecs/shop", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "web"},
        },
    }
    definition = {
        "Family": f"shop-test-{m['name']}",
        "NetworkMode": "awsvpc",
        "RequiresCompatibilities": ["FARGATE"],
        "Cpu": m["cpu"],
        "Memory": m["memory"],
        "ContainerDefinitions": [container],
    }
    return {
        "Resources": {
            "TaskDefinition": {"Type": "AWS::ECS::TaskDefinition", "Properties": definition},
            "TaskRole": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyName": "DenyIAM"}]}},
            "Service": {"Type": "AWS::ECS::Service", "Properties": {"PropagateTags": "SERVICE"}},
        }
    }
