"""make test-deploy: all that deploy/ holds, validated; ends with 0 only when every check has passed.

Names of checks as arguments choose among them. A tool that is missing is a check
that has not passed: the line says how to get it.
"""

import sys
import time
from collections.abc import Callable

import cloudformation
import inputs
import node
import terraform
from work import ROOT, Failed, Missing, need, run


def go() -> str:
    need("go", "the version of go.mod")
    return run("go", "test", "./deploy", cwd=ROOT).strip()


def prometheus() -> str:
    need("go", "the version of go.mod")
    return run("go", "test", "-C", "tools/observability", "-count=1", ".", cwd=ROOT).strip()


def docs() -> str:
    need("go", "the version of go.mod")
    return run("go", "test", "-C", "tools/tfdocs", "-count=1", ".", cwd=ROOT).strip()


CHECKS: dict[str, Callable[[], str]] = {
    "go": go,
    "prometheus": prometheus,
    "inputs": inputs.check,
    "terraform-fmt": terraform.formatted,
    "terraform-docs": docs,
    "terraform-definition": terraform.defined,
    "terraform": terraform.tested,
    "cfn-lint": cloudformation.lint,
    "cloudformation": cloudformation.render,
    "cdk": node.cdk,
    "compose": node.compose,
}


def main(names: list[str]) -> int:
    unknown = [n for n in names if n not in CHECKS]
    if unknown:
        print(f"no check {', '.join(unknown)}; there are {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    chosen = names or list(CHECKS)
    bad = 0
    for name in chosen:
        began = time.monotonic()
        try:
            result = f"ok       {CHECKS[name]()}"
        except Missing as e:
            bad, result = bad + 1, f"MISSING  {e}"
        except Failed as e:
            bad, result = bad + 1, f"FAILED   {e}"
        print(f"{name:20} {time.monotonic() - began:5.1f} s  {result}", flush=True)
    print(f"{len(chosen) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
