"""Formats, validates and tests the Terraform modules, and compares what the example makes."""

import json
import os
from pathlib import Path
from typing import Any

import compare
from work import DEPLOY, WORK, Failed, Missing, fresh, load, loads, meshtask, need, run

DEFINITIONS = ["mesh-task/modules/definition", "gateway-task/modules/definition"]
MODULES = ["mesh-task", "gateway-task", "acl-controller", "mesh-service", "dev-server", "examples/production", "examples/dev-server-fargate", "examples/dev-server-ec2"]
HOW = "Terraform 1.7 or later, from its maker or a distribution's package"
PROVIDER = (
    "hashicorp/aws cannot be had: let terraform reach its registry, or put the provider unpacked"
    " (HOST/hashicorp/aws/VERSION/OS_ARCH/) below a folder and name that in TF_PLUGINS, or below one that terraform searches"
)


def formatted() -> str:
    need("terraform", HOW)
    run("terraform", "fmt", "-check", "-diff", "-recursive", "terraform", cwd=DEPLOY, env=environment())
    return f"{len(list((DEPLOY / 'terraform').rglob('*.tf')))} files"


def tested() -> str:
    """terraform init, validate and test in each module; what is rendered is compared, and loaded by meshtask."""
    return in_each(MODULES)


def defined() -> str:
    """The same for the definitions alone, which need no provider; and what they refuse is read."""
    done = in_each(DEFINITIONS)
    for definition, (given, refusals) in REFUSED.items():
        refused(WORK / "terraform" / "terraform" / definition, given, refusals)
    return f"{done}, {sum(len(refusals) for _, refusals in REFUSED.values())} refusals"


def in_each(modules: list[str]) -> str:
    need("terraform", HOW)
    program = meshtask()
    folder = fresh("terraform", "terraform")
    seen = []
    for module in modules:
        at = folder / "terraform" / module
        initialise(at)
        run("terraform", "validate", "-no-color", cwd=at, env=environment())
        runs = 0
        for file in sorted(at.glob("tests/*.tftest.hcl")):
            passed, states = test(at, file.name)
            runs += passed
            for config, secrets in [c for state in states for c in configurations(state)]:
                loads(program, config, secrets)
            if module == "examples/production":
                rendered(resources(states[-1]["root_module"]))
            if module == "dev-server":
                got = states[-1]["outputs"]["container_definitions"]["value"]
                if lines := compare.differences("", dict(enumerate(load("dev-server.json"))), dict(enumerate(got))):
                    raise Failed("the module dev-server renders something else than deploy/dev-server.json:\n" + "\n".join(lines))
        seen.append(f"{module} {runs} runs")
    return ", ".join(seen)


# What a definition refuses beside what is given, and words of what it says: the container and what to write.
APP = '[{ name = "web", image = "shop/web:7" }]'
TASK = {
    f"inject = true\nmesh_image = \"m\"\ncontainer_definitions = {APP}": ["container web has neither command nor entryPoint", "image_configs = { web = jsondecode(file(\"web.json\")) }"],
    'inject = true\nmesh_image = "m"\ncontainer_definitions = [{ name = "web", image = "w", command = ["--listen"] }]': ["command of container web begins with -", "entryPoint"],
    'inject = true\nmesh_image = "m"\ncontainer_definitions = [{ name = "web", image = "w", command = ["/w"], mountPoints = [{ containerPath = "/mesh" }] }]': ["container web mounts something at /mesh", 'meshtask_binary = "/DIR/meshtask"'],
    'container_definitions = [{ name = "web", image = "w", command = ["/w"], stopTimeout = 9 }]': ["container web has a stopTimeout", "stop_timeout"],
    'container_definitions = [{ name = "web", image = "w", command = ["/w"], dependsOn = [{ containerName = "x" }] }]': ["container web has dependsOn", "take it out"],
    'container_definitions = [{ name = "web", image = "w", command = ["/w"] }]\nimage_configs = { web = [{ Config = { StopSignal = "SIGKILL" } }] }': ["image of container web", "STOPSIGNAL SIGTERM"],
    'container_definitions = [{ name = "dd", image = "datadog/agent" }]': ["dd are known sidecars", "app_containers"],
}
GATEWAY = {
    'kind = "ingress-gateway"': ["mesh-gateway, terminating-gateway or api-gateway, not ingress-gateway"],
    'kind = "api-gateway"\nlan_port = 9443': ["a mesh gateway's", "leave them out", "listener_ports"],
    'kind = "terminating-gateway"\nwan_address = "x"': ["a mesh gateway's", "leave them out", "listens at port 8443"],
    'kind = "mesh-gateway"\nwan_port = 443': ["wan_port", "give wan_address, or lb_enabled = true"],
    'kind = "mesh-gateway"\nlistener_ports = [443]': ["an API gateway's", "give lan_port"],
    'kind = "terminating-gateway"\nlb_enabled = true': ["leave lb_enabled and custom_load_balancer_config out"],
    'kind = "api-gateway"\ncustom_load_balancer_config = [{ target_group_arn = "a", container_port = 80 }]': ["container_port must be 8443", "listener_ports"],
    'kind = "api-gateway"\ncustom_load_balancer_config = [{ target_group_arn = "a", container_name = "x", container_port = 8443 }]': ["leave container_name out", "edge"],
    'kind = "api-gateway"\nlb_enabled = true\nconsul_service_name = "my_edge"': ["my_edge", "32 characters", "consul_service_name that fits"],
    'kind = "api-gateway"\nderegistration_delay = 40': ["give stop_timeout = 55"],
    'kind = "api-gateway"\nretry_join = ["x"]': ["consul_server_hosts", "retry_join", "give one of them"],
    'kind = "api-gateway"\ntls = true': ["give consul_ca_cert_arn"],
    'kind = "api-gateway"\nacls = true\nacl_secret_name_prefix = "shop"': ["service_token_secret_arn", "create_service_secret"],
    'kind = "api-gateway"\nmeshtask_config = { proxy = {} }': ["gateway.proxy.config"],
}
REFUSED = {
    DEFINITIONS[0]: ('family = "web"\nport = 8080\nretry_join = ["10.0.3.7"]\n', TASK),
    DEFINITIONS[1]: ('family = "edge"\nmesh_image = "m"\nconsul_server_hosts = "10.0.3.7"\n', GATEWAY),
}


def refused(module: Path, given: str, refusals: dict[str, list[str]]) -> None:
    for variables, words in refusals.items():
        file = module / "refused.tfvars"
        file.write_text(f"{given}{variables}\n")
        said = run("terraform", "plan", "-json", "-input=false", f"-var-file={file.name}", cwd=module, env=environment(), codes=(1,))
        text = "\n".join(d["detail"] for line in said.splitlines() if (d := json.loads(line).get("diagnostic")))
        if missing := [w for w in words if w not in text]:
            raise Failed(f"{module.parts[-3]}'s definition with {variables}: want {missing} in:\n{text}")


def test(module: Path, file: str) -> tuple[int, list[Any]]:
    """Runs one test file: how many runs have passed, and the state after each that has applied."""
    # A state comes with the provider's whole schema: not where nothing is applied.
    verbose = [] if file.startswith("refused") else ["-verbose"]
    lines = run("terraform", "test", "-json", *verbose, f"-filter=tests/{file}", cwd=module, env=environment(), codes=(0, 1)).splitlines()
    messages = [json.loads(line) for line in lines]
    total: dict[str, Any] = next((m["test_summary"] for m in messages if m["type"] == "test_summary"), {"passed": 0, "status": "error"})
    if total["passed"] == 0 or total["status"] != "pass":
        said = [d["summary"] + ": " + d["detail"] + place(d) for m in messages if (d := m.get("diagnostic"))]
        raise Failed(f"{module.name}, {file}: {total}\n" + "\n".join(said))
    return total["passed"], [m["test_state"] for m in messages if m["type"] == "test_state"]


def place(diagnostic: Any) -> str:
    at = diagnostic.get("range")
    return f" ({at['filename']}:{at['start']['line']})" if at else ""


def resources(module: Any) -> list[Any]:
    found: list[Any] = module.get("resources", [])
    return found + [r for child in module.get("child_modules", []) for r in resources(child)]


def configurations(state: Any) -> list[tuple[str, list[str]]]:
    """Each configuration, with the names of the secrets that ECS gives to its container."""
    given = [o["value"] for name, o in state.get("outputs", {}).items() if name == "container_definitions"]
    given += [json.loads(r["values"]["container_definitions"]) for r in resources(state["root_module"]) if r["type"] == "aws_ecs_task_definition"]
    return [
        (e["value"], [s["name"] for s in c.get("secrets") or []])
        for containers in given
        for c in containers
        for e in c.get("environment") or []
        if e["name"] == "MESHTASK_CONFIG_JSON"
    ]


def environment() -> dict[str, str]:
    """Ours, without a CLI configuration that is named but not there, and without any account."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    if not Path(env.get("TF_CLI_CONFIG_FILE", "")).is_file():
        env.pop("TF_CLI_CONFIG_FILE", None)
    return env | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


def initialise(module: Path) -> None:
    """terraform init: by its own configuration first, then with unpacked providers on this machine."""
    try:
        run("terraform", "init", "-no-color", "-input=false", cwd=module, env=environment())
        return
    except Failed as first:
        reason = first
    for folder in plugins():
        run("terraform", "init", "-no-color", "-input=false", f"-plugin-dir={folder}", cwd=module, env=environment())
        return
    why = next((line.strip(" │") for line in str(reason).splitlines() if "Error" in line), "")
    raise Missing(f"{PROVIDER} ({why})")


def plugins() -> list[Path]:
    """Folders with an unpacked AWS provider: TF_PLUGINS, else where software of a machine is put."""
    given = os.environ.get("TF_PLUGINS")
    if given:
        return [Path(given)]
    found = [p for base in ("/opt", "/usr/local/lib", "/usr/lib") for p in Path(base).glob("*/*/hashicorp/aws")]
    return [p.parents[2] for p in found]


def rendered(state: list[Any]) -> None:
    definitions = {r["values"]["family"]: definition(r["values"]) for r in state if r["type"] == "aws_ecs_task_definition"}
    compare.definitions("Terraform", definitions, ["single", "siblings", "injected", "job", "gateway", "acl-controller"])

    # A role's policy is in the same module, under the same name.
    names = {r["address"]: r["values"]["name"] for r in state if r["type"] == "aws_iam_role"}
    statements = {
        names[r["address"].replace("aws_iam_role_policy.", "aws_iam_role.")]: json.loads(r["values"]["policy"])["Statement"]
        for r in state
        if r["type"] == "aws_iam_role_policy"
    }
    compare.policies("Terraform", statements, list(compare.ROLES))


def definition(values: dict[str, Any]) -> dict[str, Any]:
    """A resource's values in ECS's shape."""
    platform = values.get("runtime_platform") or []
    return {
        "family": values["family"],
        "networkMode": values["network_mode"],
        "requiresCompatibilities": values["requires_compatibilities"],
        "cpu": values["cpu"],
        "memory": values["memory"],
        "taskRoleArn": values["task_role_arn"],
        "executionRoleArn": values["execution_role_arn"],
        "runtimePlatform": {"cpuArchitecture": p["cpu_architecture"], "operatingSystemFamily": p["operating_system_family"]}
        if (p := next(iter(platform), None))
        else None,
        "containerDefinitions": json.loads(values["container_definitions"]),
        "volumes": [{"name": v["name"]} for v in values.get("volume") or []],
        "tags": [{"key": k, "value": v} for k, v in (values.get("tags") or {}).items()],
    }
