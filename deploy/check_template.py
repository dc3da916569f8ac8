"""Expands template.yaml as AWS does, lints what comes out, and compares it with what must stand there for every way to deploy it.

cfn-lint on the source misses a reference to nothing, a wrong value or a misspelt property behind the
serverless transform; in the expanded template it finds them. That a value is the right one it cannot know: that is in
expected.py. That the alarms ring is shown by alarms.py. Needs no credentials and asks nobody.
"""

import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from unittest import mock

import alarms
import cfnlint.api
import cfnlint.config
import expected
import prose
from cfnlint.decode import cfn_yaml
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from stack import ALLOWED_IN_RULES, Stack, functions_in

ROOT = Path(__file__).resolve().parent.parent
REGION = "eu-central-1"
# What the transform makes of conditions on events (W1028), and defaults that conditions keep from being used (W1030).
IGNORED = ["W1028", "W1030"]
# The transform wants to know where it is, and warns of features of its own.
os.environ["AWS_DEFAULT_REGION"] = REGION
logging.getLogger("samtranslator").setLevel(logging.ERROR)


def plain(value):
    """Without the positions that cfn-lint's loader keeps."""
    return json.loads(json.dumps(value))


def expanded(source, choice):
    template = plain(source)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # The transform knows no local folders; `sam deploy` uploads them first.
            resource["Properties"]["CodeUri"] = {"Bucket": "example", "Key": "function.zip"}
            resource.pop("Metadata", None)
    return transform(template, with_defaults(source, choice), ManagedPolicyLoader(None))


def with_defaults(source, choice):
    defaults = {name: parameter["Default"] for name, parameter in source["Parameters"].items()}
    return plain(defaults) | choice


def lint(template):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(template, file)
        file.flush()
        config = cfnlint.config.ManualArgs(regions=[REGION], ignore_checks=IGNORED)
        return [
            f"{match.rule.id} {'/'.join(str(part) for part in match.path or [])}: {match.message}"
            for match in cfnlint.api.lint_file(Path(file.name), config)
        ]


def differences(found, wanted, path):
    """Where something is not as the tables say. What they do not name may be there; but a list is a whole."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, value in wanted.items():
            yield from differences(found.get(name), value, f"{path}/{name}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for place, (one, other) in enumerate(zip(found, wanted)):
            yield from differences(one, other, f"{path}/{place}")
    elif found != wanted:
        yield f"{path}: {found!r}, but it must be {wanted!r}"


def names(found, wanted, what):
    yield from (f"{what} {name} must not be there" for name in sorted(set(found) - set(wanted)))
    yield from (f"{what} {name} is missing" for name in sorted(set(wanted) - set(found)))


def wrong_with(stack, p):
    resources, outputs = expected.resources(p), expected.outputs(p)
    found = {name: it for name, it in stack.resources.items() if it["Type"] != "AWS::ApiGateway::Deployment"}
    yield from names(found, resources, "resource")
    yield from names(stack.outputs, outputs, "output")
    yield from names(found["Api"]["Properties"]["Body"]["paths"], expected.paths(p), "route")
    for name in resources.keys() & found.keys():
        yield from differences(found[name]["Properties"], resources[name], name)
        kept = expected.KEPT.get(name)
        yield from differences(found[name].get("DeletionPolicy"), kept, f"{name}/DeletionPolicy")
        yield from differences(found[name].get("UpdateReplacePolicy"), kept and "Retain", f"{name}/UpdateReplacePolicy")
    for name in outputs.keys() & stack.outputs.keys():
        yield from differences(stack.outputs[name]["Value"], outputs[name], f"Outputs/{name}")
    for name, reference in stack.references():
        if reference not in stack.resources:
            yield f"{name} refers to {reference}, which is not made"
    for later, earlier in expected.ORDER:
        if {later, earlier} <= stack.resources.keys() and earlier not in stack.after(later):
            yield f"{later} may be made before {earlier}"
    yield from (f"refused: {why}" for why in stack.refusals)


def is_made_anew(source):
    """An API whose routes another parameter changes must get another deployment."""
    def deployment(at):
        with mock.patch("time.time", return_value=at):
            template = expanded(source, {})
        return [name for name, it in template["Resources"].items() if it["Type"] == "AWS::ApiGateway::Deployment"]

    return deployment(1) != deployment(2)


def problems_of(source):
    yield from lint(expanded(source, {}))
    forbidden = functions_in(source["Rules"]) - ALLOWED_IN_RULES
    yield from (f"Rules: {name} is not allowed in rules" for name in sorted(forbidden))
    if forbidden:
        return
    if not is_made_anew(source):
        yield "Api: its deployment stays as it is when PaymentPlatform changes (AlwaysDeploy)"
    wrong = {}
    for choice in expected.choices():
        p = with_defaults(source, choice)
        for problem in wrong_with(Stack(expanded(source, choice), p), p):
            wrong.setdefault(problem, []).append(choice)
    for problem, ways in wrong.items():
        yield f"{problem} ({len(ways)} ways to deploy it, such as {ways[0]})"
    for choice in expected.ALARMS:
        p = with_defaults(source, choice)
        stack, titles = Stack(expanded(source, choice), p), expected.deployed(p["PaymentPlatform"])
        yield from alarms.problems(stack, titles, p["SilenceHours"])
        yield from prose.about_alarms(stack.resources)
        if p["SilenceHours"]:
            yield from prose.about_counts(stack.resources)
    yield from prose.about_costs()
    template = expanded(source, {})
    for choice, by in expected.REFUSED:
        refusals = Stack(template, with_defaults(source, choice)).refusals
        if len(refusals) != by:
            yield f"Rules: {choice} must be refused by {by} of them: {refusals}"


def main():
    source = cfn_yaml.load(str(ROOT / "template.yaml"))
    problems = list(problems_of(plain(source)))
    for problem in problems:
        print(problem, file=sys.stderr)
    ways = len(list(expected.choices()))
    print(f"template.yaml: {ways} ways to deploy it looked at, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
