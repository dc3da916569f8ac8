"""Looks at the policies for the role that deploys: what it may make, and that what it makes stays within the boundary.

And at the workflows: a job that may write somewhere, or become that role, compiles nothing of other people's.
"""

import json
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from cfnlint.decode import cfn_yaml
from check_template import lint

HERE = Path(__file__).resolve().parent
ACCOUNT = "123456789012"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/payment-webhooks-boundary"
WITHIN = {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}
LOGS_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
# What lets a role do more than before: the only conditions under which it is allowed.
CONDITIONS = {
    "iam:CreateRole": WITHIN,
    "iam:PutRolePolicy": WITHIN,
    "iam:DeleteRolePolicy": WITHIN,
    "iam:PutRolePermissionsBoundary": WITHIN,
    "iam:AttachRolePolicy": WITHIN | {"ArnEquals": {"iam:PolicyARN": LOGS_POLICY}},
    "iam:DetachRolePolicy": WITHIN | {"ArnEquals": {"iam:PolicyARN": LOGS_POLICY}},
    "iam:PassRole": {"StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com", "apigateway.amazonaws.com"]}},
    "iam:CreateServiceLinkedRole": {"StringEquals": {"iam:AWSServiceName": "ops.apigateway.amazonaws.com"}},
}
# Would let the role out of the boundary, or give it somebody else's rights.
NEVER = [
    "iam:DeleteRolePermissionsBoundary", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicy",
    "iam:CreatePolicy", "iam:CreateUser", "iam:CreateAccessKey", "iam:PutUserPolicy", "iam:AttachUserPolicy",
    "iam:AddUserToGroup", "iam:CreateLoginProfile", "iam:UpdateAssumeRolePolicy", "sts:AssumeRole", "organizations:LeaveOrganization",
]
# By https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, without blanks: a role's own policies
# together, a managed policy.
SIZES = {"role-policy.json": 10240, "boundary.json": 6144}


def loaded(name):
    text = (HERE / name).read_text()
    for place, value in (("ACCOUNT", ACCOUNT), ("REGION", "eu-central-1"), ("STACK", "payment-webhooks")):
        text = re.sub(rf"\b{place}\b", value, text)
    return json.loads(text)


def listed(value):
    return value if isinstance(value, list) else [value]


def statements(policy, action, effect):
    for statement in policy["Statement"]:
        if statement["Effect"] == effect and any(fnmatchcase(action, it) for it in listed(statement["Action"])):
            yield statement


def wrong_with_role(policy):
    for action, condition in CONDITIONS.items():
        found = list(statements(policy, action, "Allow"))
        if not found:
            yield f"{action} is not allowed, and the stack needs it"
        for statement in found:
            if statement.get("Condition") != condition:
                yield f"{action} is allowed if {statement.get('Condition')}, must be only if {condition}"
    for action in NEVER:
        if any(statements(policy, action, "Allow")):
            yield f"{action} is allowed"
    for action in NEVER[:4]:
        denied = [it for statement in statements(policy, action, "Deny") for it in listed(statement["Resource"])]
        of = BOUNDARY if "Policy" in action else f"arn:aws:iam::{ACCOUNT}:role/payment-webhooks-*"
        if of not in denied:
            yield f"{action} of {of} is not denied"
    for statement in policy["Statement"]:
        for action in listed(statement["Action"]):
            if action.startswith("iam:") and "*" in action:
                yield f"{action}: an action of IAM must be named"
            if action == "*":
                yield "everything is allowed"
            for resource in listed(statement["Resource"]):
                if action.startswith("iam:") and not resource.startswith(f"arn:aws:iam::{ACCOUNT}:"):
                    yield f"{action} on {resource}"
                if resource == "*" and statement.get("Sid") != "NotLimitedByAws" and "lambda:FunctionArn" not in str(statement):
                    yield f"{action} on everything"


def wrong_with_boundary(boundary, roles):
    allowed = {it for statement in boundary["Statement"] for it in listed(statement["Action"])}
    if any("*" in it or it.startswith(("iam:", "sts:", "lambda:", "cloudformation:")) for it in allowed):
        yield f"the boundary is too wide: {sorted(allowed)}"
    for statement in boundary["Statement"]:
        if "*" in listed(statement["Resource"]) and "aws:PrincipalArn" not in str(statement.get("Condition")):
            yield f"the boundary allows {statement['Action']} on everything, whoever asks"
    for action in sorted(set(given(roles)) - allowed):
        yield f"the boundary lacks {action}, which template.yaml gives"


def given(value):
    """What the roles of the template may do, under whatever conditions."""
    if isinstance(value, dict):
        if value.get("Effect") == "Allow" and "Resource" in value:
            yield from map(str, listed(value["Action"]))
        value = value.values()
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        for it in value:
            yield from given(it)


def unknown(policies):
    """Actions that AWS does not have, and what else cfn-lint finds in policies: in a template, which it reads."""
    resources = {
        f"Policy{number}": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy}}
        for number, policy in enumerate(policies)
    }
    for problem in lint({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}):
        yield problem[:200]


def wrong_with_workflows():
    for path in sorted((HERE.parent / ".github/workflows").glob("*.yml")):
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            commands = "\n".join(step.get("run", "") for step in job["steps"])
            rights = [right for right, value in job.get("permissions", {}).items() if value == "write"]
            trusted = rights or "environment" in job
            builds = re.search(r"\bcargo\b|\bdocker build\b|\bpip\b|\bnpm\b|^make (?!sam\s|check-tag)", commands + "\n", re.M)
            if trusted and builds:
                yield f"{path.name}: the job {name} has rights ({', '.join(rights)}) and runs {builds[0].strip()}"


def main():
    role, boundary = loaded("role-policy.json"), loaded("boundary.json")
    template = cfn_yaml.load(str(HERE.parent / "template.yaml"))
    roles = [it["Properties"] for it in template["Resources"].values() if it["Type"] == "AWS::IAM::Role"]
    problems = [*wrong_with_workflows(), *unknown([role, boundary]), *wrong_with_role(role), *wrong_with_boundary(boundary, roles)]
    for name, policy in (("role-policy.json", role), ("boundary.json", boundary)):
        size = len(re.sub(r"\s", "", json.dumps(policy)))
        if size > SIZES[name]:
            problems.append(f"{name}: {size} characters, AWS takes {SIZES[name]}")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"deploy/role-policy.json, boundary.json and the workflows: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
