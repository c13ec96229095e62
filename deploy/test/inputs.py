"""Validates the inputs of the AWS CLI by the service models that the CLI itself uses."""

import botocore.session
from botocore.exceptions import ParamValidationError

from work import Failed, load

INPUTS = [
    ("ecs", "RegisterTaskDefinition", ["single.json", "siblings.json", "injected.json", "job.json", "gateway.json", "plain.json", "api.json", "acl-controller.json"]),
    ("ecs", "RunTask", ["run-task.json"]),
    ("scheduler", "CreateSchedule", ["schedule.json"]),
]


def check() -> str:
    session = botocore.session.Session()
    problems = []
    total = 0
    for service, operation, files in INPUTS:
        shape = session.get_service_model(service).operation_model(operation).input_shape
        for file in files:
            total += 1
            report = botocore.validate.ParamValidator().validate(load(file), shape)
            if report.has_errors():
                problems.append(f"{file}: {ParamValidationError(report=report.generate_report())}")
    if problems:
        raise Failed("\n".join(problems))
    return f"{total} inputs"
