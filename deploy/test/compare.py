"""Compares what a tool has rendered with deploy/*.json and deploy/iam."""

import json
import re
from fnmatch import fnmatchcase
from typing import Any

from work import Failed, load

ACCOUNT, REGION, SHOP = "123456789012", "us-east-1", "shop"

# Role: the file of deploy/iam, and which of its statements the role has.
MESH_TASK = ("task-role", {"ReadTheTasksSecrets"})
MESH_EXECUTION = ("execution-role", {"WriteLogs", "LogInToTheRegistry", "PullTheImage"})
ROLES = {
    "web-task": MESH_TASK,
    "web-execution": MESH_EXECUTION,
    "shop-task": MESH_TASK,
    "shop-execution": MESH_EXECUTION,
    "api-task": MESH_TASK,
    "api-execution": MESH_EXECUTION,
    "migrate-task": MESH_TASK,
    "migrate-execution": MESH_EXECUTION,
    "edge-task": MESH_TASK,
    "edge-execution": MESH_EXECUTION,
    "migrate-schedule": ("scheduler-role", {"RunTheJob", "GiveTheTaskItsTags", "GiveTheTaskItsRoles"}),
    "shop-consul-acl-controller-task": ("controller-role", {"SeeTheTasksOfTheCluster", "ReadAndFillSecrets", "LeaveTheInstallationsOwnSecrets"}),
    "shop-consul-acl-controller-execution": ("execution-role", MESH_EXECUTION[1] | {"GiveTheContainersTheirSecrets"}),
}


def expected(name: str) -> dict[str, Any]:
    """A task definition of deploy/, with the words in capitals replaced as in the examples."""
    text = json.dumps(load(f"{name}.json"))
    for word, value in {
        '"IMAGE"': f'"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/meshtask-mesh:1.0"',
        "//CONSUL:": "//consul.shop.internal:",
        "ACCOUNT": ACCOUNT,
        "REGION": REGION,
        "PREFIX": SHOP,
    }.items():
        text = text.replace(word, value)
    definition: dict[str, Any] = json.loads(text)
    return definition


def definitions(tool: str, rendered: dict[str, Any], names: list[str], only: set[str] | None = None) -> None:
    """Fails unless the definitions are those of deploy/; only: the members that the tool decides."""
    problems: list[str] = []
    for name in names:
        want = expected(name)
        got = rendered.get(want["family"])
        if got is None:
            problems.append(f"{name}: not rendered, only {sorted(rendered)}")
            continue
        a, b = normal(want), normal(got)
        if only is not None:
            a, b = ({k: v for k, v in d.items() if k in only} for d in (a, b))
        problems += [f"{name}: {line}" for line in differences("", a, b)]
    if problems:
        raise Failed(f"{tool} renders something else than deploy/*.json:\n" + "\n".join(problems))


def normal(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition without what ECS does not tell apart: order of names, absent or default."""
    out = {k: v for k, v in definition.items() if v not in (None, [], "")}
    out["cpu"], out["memory"] = str(out["cpu"]), str(out["memory"])
    out["tags"] = {t["key"]: t["value"] for t in out.get("tags", [])}
    out["containerDefinitions"] = {c["name"]: container(c) for c in out["containerDefinitions"]}
    return out


def container(c: dict[str, Any]) -> dict[str, Any]:
    out = {k: v for k, v in c.items() if v not in (None, [], "")}
    out["environment"] = {e["name"]: parsed(e["value"]) for e in out.get("environment", [])}
    if check := out.get("healthCheck"):
        out["healthCheck"] = {"interval": 30, "timeout": 5, "retries": 3, **check}
    out["mountPoints"] = [{"readOnly": False, **m} for m in out.get("mountPoints", [])]
    out["portMappings"] = [{"protocol": "tcp", **p} for p in out.get("portMappings", [])]
    # A secret may be named with the six letters that Secrets Manager adds, or without.
    out["command"] = [re.sub(r"(:secret:[\w-]+?)-[A-Za-z]{6}$", r"\1", word) for word in out.get("command", [])]
    out["secrets"] = {s["name"]: re.sub(r"(:secret:[\w-]+?)-[A-Za-z]{6}$", r"\1", s["valueFrom"]) for s in out.get("secrets", [])}
    return out


def parsed(text: str) -> Any:
    return json.loads(text) if text.startswith("{") else text


def differences(path: str, want: Any, got: Any) -> list[str]:
    if isinstance(want, dict) and isinstance(got, dict):
        return [line for key in sorted(want.keys() | got.keys()) for line in differences(f"{path}.{key}", want.get(key), got.get(key))]
    return [] if want == got else [f"{path.lstrip('.')}: want {json.dumps(want)}, got {json.dumps(got)}"]


def policies(tool: str, rendered: dict[str, list[dict[str, Any]]], roles: list[str]) -> None:
    """Fails unless each role has exactly the statements of deploy/iam, for their resources and no others."""
    problems: list[str] = []
    for role in roles:
        file, sids = ROLES[role]
        allowed = {s["Sid"]: s for s in json.loads(placed(file, role.rsplit("-", 1)[0]))["Statement"]}
        got = rendered.get(role, [])
        if {s.get("Sid") for s in got} != sids:
            problems.append(f"{role}: statements {sorted(str(s.get('Sid')) for s in got)}, want {sorted(sids)} of iam/{file}.json")
            continue
        for s in got:
            want = allowed[s["Sid"]]
            for key in ("Effect", "Action", "Condition"):
                if as_set(want.get(key)) != as_set(s.get(key)):
                    problems.append(f"{role}, {s['Sid']}: {key} {s.get(key)}, want {want.get(key)}")
            # The log driver writes to its own account only, so that a module need not ask for its number.
            arns = [a.replace(":*:log-group:", f":{ACCOUNT}:log-group:") for a in as_list(s["Resource"])]
            patterns = as_list(want["Resource"])
            wide = [a for a in arns if not any(fnmatchcase(a, p) for p in patterns)]
            short = [p for p in patterns if not any(fnmatchcase(a, p) for a in arns)]
            if wide or short:
                problems.append(f"{role}, {s['Sid']}: Resource {wide} is not within {patterns}, {short} is not in it")
    if problems:
        raise Failed(f"{tool} allows something else than deploy/iam:\n" + "\n".join(problems))


def placed(file: str, service: str) -> str:
    text = json.dumps(load(f"iam/{file}.json"))
    for word, value in {
        "ACCOUNT": ACCOUNT,
        "REGION": REGION,
        "CLUSTER": SHOP,
        "PREFIX": SHOP,
        "SERVICE": service,
        "FAMILY": service,
        "REPOSITORY": "*",
    }.items():
        text = text.replace(word, value)
    return text


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def as_set(value: Any) -> Any:
    return value if isinstance(value, dict) else set(as_list(value))
