"""Lints CloudFormation templates, and renders the parts of them that are compared.

Rendering knows the functions that our templates and the CDK's use, and no others:
Ref, Fn::GetAtt, Fn::Sub, Fn::Join, Fn::If, Fn::Not, Fn::Equals. An unknown one fails.
"""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

import compare
from work import DEPLOY, Failed, load, run

TEMPLATES = {"single": ["web"], "siblings": ["shop"], "injected": ["api"], "job": ["migrate"], "gateway": ["edge"], "acl-controller": ["shop-consul-acl-controller"]}
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": compare.REGION,
    "AWS::AccountId": compare.ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags."""


def short_tag(loader: Loader, suffix: str, node: Any) -> Any:
    name = suffix if suffix == "Ref" else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        return {name: text.split(".", 1) if suffix == "GetAtt" else text}
    return {name: loader.construct_sequence(node, deep=True)}


Loader.add_multi_constructor("!", short_tag)


def template(path: Path) -> Any:
    with path.open() as file:
        return yaml.load(file, Loader)


def lint() -> str:
    observability = [DEPLOY / "observability" / name for name in ("alarms.yaml", "logs-insights.yaml")]
    files = sorted((DEPLOY / "cloudformation").glob("*.yaml")) + observability
    linted(files)
    return f"{len(files)} templates"


def linted(files: list[Path]) -> None:
    cfn_lint = str(Path(sys.executable).with_name("cfn-lint"))
    run(cfn_lint, "--regions", compare.REGION, "eu-central-1", "--", *map(str, files), cwd=DEPLOY)


def render() -> str:
    parameters: dict[str, str] = load("cloudformation/parameters.json")["Parameters"]
    definitions: dict[str, Any] = {}
    statements: dict[str, list[dict[str, Any]]] = {}
    roles: list[str] = []
    used: set[str] = set()
    for name, families in TEMPLATES.items():
        t = template(DEPLOY / "cloudformation" / f"{name}.yaml")
        used |= t["Parameters"].keys()
        stack = Stack(t, parameters)
        rolled_back(name, stack)
        definitions |= stack.definitions()
        statements |= stack.statements()
        roles += [r for r in compare.ROLES if r.rsplit("-", 1)[0] in families]
    used |= template(DEPLOY / "cloudformation" / "network.yaml")["Parameters"].keys()
    if used != parameters.keys():
        raise Failed(f"parameters.json and the templates' Parameters differ: {sorted(used ^ parameters.keys())}")
    compare.definitions("CloudFormation", definitions, list(TEMPLATES))
    compare.policies("CloudFormation", statements, roles)
    return f"{len(definitions)} task definitions, {len(roles)} roles"


def rolled_back(name: str, stack: Any) -> None:
    """Fails unless each service ends a bad deployment with the revision before it."""
    for service in stack.of("AWS::ECS::Service"):
        breaker = service.get("DeploymentConfiguration", {}).get("DeploymentCircuitBreaker", {})
        if not breaker.get("Enable") or not breaker.get("Rollback"):
            raise Failed(f"{name}: {service['ServiceName']} has no circuit breaker with rollback")


NOTHING = object()


class Stack:
    """A template with parameters, as CloudFormation would fill it in."""

    def __init__(self, t: Any, parameters: dict[str, str]) -> None:
        self.conditions: dict[str, Any] = t.get("Conditions", {})
        self.resources: dict[str, Any] = t["Resources"]
        self.known: dict[str, str] = PSEUDO | {name: parameters[name] for name in t.get("Parameters", {}) if name in parameters}

    def of(self, kind: str) -> list[Any]:
        return [self.value(r["Properties"]) for r in self.resources.values() if r["Type"] == kind]

    def definitions(self) -> dict[str, Any]:
        return {p["Family"]: camel(p) for p in self.of("AWS::ECS::TaskDefinition")}

    def statements(self) -> dict[str, list[dict[str, Any]]]:
        return {
            r["RoleName"]: [s for p in r.get("Policies", []) for s in p["PolicyDocument"]["Statement"]] for r in self.of("AWS::IAM::Role")
        }

    def value(self, v: Any) -> Any:
        if isinstance(v, list):
            return [y for x in v if (y := self.value(x)) is not NOTHING]
        if not isinstance(v, dict):
            return v
        if len(v) == 1:
            ((name, argument),) = v.items()
            if name == "Ref":
                return self.ref(str(argument))
            if name == "Fn::GetAtt":
                return self.attribute(*argument)
            if name == "Fn::If":
                return self.value(argument[1 if self.value(self.conditions[argument[0]]) else 2])
            if name == "Fn::Not":
                return not self.value(argument[0])
            if name == "Fn::Equals":
                return self.value(argument[0]) == self.value(argument[1])
            if name == "Fn::Join":
                return str(argument[0]).join(self.value(argument[1]))
            if name == "Fn::Sub":
                return re.sub(
                    r"\$\{([^}]+)}", lambda m: self.attribute(*m[1].split(".", 1)) if "." in m[1] else self.ref(m[1]), str(argument)
                )
            if name.startswith("Fn::"):
                raise Failed(f"{name} is not known to the comparison")
        return {k: y for k, x in v.items() if (y := self.value(x)) is not NOTHING}

    def ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        if name in self.known:
            return self.known[name]
        kind, properties = self.resource(name)
        if kind == "AWS::SecretsManager::Secret":  # six letters that AWS chooses; those of the examples
            secret = str(self.value(properties["Name"]))
            letters = "StUvWx" if secret.endswith("-consul-client-token") else "MnOpQr"
            return f"arn:aws:secretsmanager:{compare.REGION}:{compare.ACCOUNT}:secret:{secret}-{letters}"
        return name

    def attribute(self, name: str, attribute: str) -> str:
        kind, properties = self.resource(name)
        if kind == "AWS::IAM::Role" and attribute == "Arn":
            return f"arn:aws:iam::{compare.ACCOUNT}:role/{self.value(properties['RoleName'])}"
        return f"{name}.{attribute}"

    def resource(self, name: str) -> tuple[str, Any]:
        if name not in self.resources:
            raise Failed(f"{name} is neither a parameter nor a resource")
        return self.resources[name]["Type"], self.resources[name]["Properties"]


def camel(v: Any) -> Any:
    """CloudFormation's names as ECS has them; the options of a log driver are not names."""
    if isinstance(v, list):
        return [camel(x) for x in v]
    if not isinstance(v, dict):
        return v
    return {k[:1].lower() + k[1:]: x if k == "Options" else camel(x) for k, x in v.items()}
