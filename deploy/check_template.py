"""Expands template.yaml as AWS does, and lints what comes out for every way to deploy it.

cfn-lint on the source misses a reference to nothing, a wrong value or a misspelt property behind the
serverless transform; in the expanded template it finds them. Needs no credentials and asks nobody.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import cfnlint.api
import cfnlint.config
from cfnlint.decode import cfn_yaml
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform

ROOT = Path(__file__).resolve().parent.parent
REGION = "eu-central-1"
# What the transform makes of conditions on events (W1028), and defaults that conditions keep from being used (W1030).
IGNORED = ["W1028", "W1030"]
# The transform wants to know where it is.
os.environ["AWS_DEFAULT_REGION"] = REGION


def plain(value):
    """Without the positions that cfn-lint's loader keeps."""
    return json.loads(json.dumps(value))


def expanded():
    template = plain(cfn_yaml.load(str(ROOT / "template.yaml")))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # The transform knows no local folders; `sam deploy` uploads them first.
            resource["Properties"]["CodeUri"] = {"Bucket": "example", "Key": "function.zip"}
            resource.pop("Metadata", None)
    parameters = {name: parameter.get("Default", "") for name, parameter in template["Parameters"].items()}
    return transform(template, parameters, ManagedPolicyLoader(None))


def problems_of(template):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(template, file)
        file.flush()
        config = cfnlint.config.ManualArgs(regions=[REGION], ignore_checks=IGNORED)
        return [
            f"{match.rule.id} {'/'.join(str(part) for part in match.path or [])}: {match.message}"
            for match in cfnlint.api.lint_file(Path(file.name), config)
        ]


def main():
    template = expanded()
    target = ROOT / "target" / "template.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(template, indent=1))
    problems = problems_of(template)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"template.yaml: {len(template['Resources'])} resources after expansion, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
