"""Runs the deploy scripts with an AWS that only this file knows, and compares what they do with tables."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ARM, INTEL = 183, 62

# Stands for `aws`, `sam` and `curl`: answers with what the case says, and fails where it says nothing.
STAND_IN = """#!/usr/bin/env python3
import json, os, sys
known = json.loads(os.environ["KNOWN"])
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
if name == "sam":
    print("\\n".join(arguments[arguments.index("--parameter-overrides") + 1:]))
elif name == "curl":
    open(arguments[arguments.index("--output") + 1], "w").write(known["health"])
    print(200 if known["health"] == "fine" else 503)
else:
    asked = arguments[arguments.index("--secret-id") + 1] if "--secret-id" in arguments else "stack"
    if asked not in known:
        sys.exit("Stack with id payment-webhooks does not exist" if asked == "stack" else "no such secret")
    print(known[asked])
"""

NAMES = ["PADDLE_WEBHOOK_SECRET", "CRYPTLEX_ACCESS_TOKEN", "CRYPTLEX_WEB_API_BASE_URL"]
FULL = json.dumps({name: "x" for name in NAMES})
NO_TOKEN = FULL.replace("CRYPTLEX_ACCESS_TOKEN", "OTHER")
OWN = "StripeWebhookUrl\thttps://x\nPaddleSecretArn\tarn:own"
ARNS = {"STRIPE_SECRET_ARN": "arn:s", "FASTSPRING_SECRET_ARN": "arn:f", "PADDLE_SECRET_ARN": "arn:p"}
URL = "https://api/live/webhooks/paddle"
BOGUS = "PLATFORM=bogus must be all, stripe, fastspring or paddle"
TO_COME = "so the stack gets an empty secret for you to fill in; /health is 503 until then"
NOT_READ = "Paddle: the secret arn:p cannot be read: it needs secretsmanager:GetSecretValue"
LACKS = "Paddle: CRYPTLEX_ACCESS_TOKEN is missing in the secret arn:own, which must be a JSON object"
EMPTY = '{"status":"not configured"}'

# The environment and what AWS knows; whether the script succeeds, and what it says.
SECRETS = [
    ({"PLATFORM": "bogus"}, {}, False, [BOGUS]),
    ({"PLATFORM": "paddle"}, {}, True, [f"Paddle: PADDLE_SECRET_ARN is not set, {TO_COME}"]),
    ({"PLATFORM": "paddle"}, {"stack": OWN, "arn:own": FULL}, True, []),
    ({"PLATFORM": "paddle"}, {"stack": OWN, "arn:own": NO_TOKEN}, False, [LACKS]),
    ({"PLATFORM": "paddle"} | ARNS, {"stack": OWN, "arn:p": FULL}, True, []),
    ({"PLATFORM": "paddle"} | ARNS, {}, False, ["no such secret", NOT_READ]),
]
HEALTH = [
    ({}, {"stack": ""}, False, ["the stack payment-webhooks has no URL"]),
    ({}, {"stack": "None"}, False, ["the stack payment-webhooks has no URL"]),
    ({}, {"stack": URL, "health": "fine"}, True, ["https://api/live/paddle/health: 200 fine"]),
    ({}, {"stack": URL, "health": "broken"}, False, ["https://api/live/paddle/health: 503 broken"]),
    ({}, {"stack": URL, "health": EMPTY}, True, [f"https://api/live/paddle/health: 503 {EMPTY}"]),
]
# The environment and what was built; whether the script succeeds, and the parameters as sam gets them.
DEPLOY = [
    ({"PLATFORM": "bogus"}, ARM, False, [BOGUS]),
    ({"PLATFORM": "all"}, 0, False, [".aws-sam/build holds no function for arm64 or x86_64: make sam-build"]),
    ({"PLATFORM": "all", "PARAMETERS": " "}, ARM, True, ['PaymentPlatform="all"', 'Architecture="arm64"']),
    (
        {"PLATFORM": "all"} | ARNS,
        INTEL,
        True,
        [
            'PaymentPlatform="all"',
            'Architecture="x86_64"',
            'StripeSecretArn="arn:s"',
            'FastSpringSecretArn="arn:f"',
            'PaddleSecretArn="arn:p"',
        ],
    ),
    (
        {"PLATFORM": "stripe", "PARAMETERS": "CryptlexProductId=p"} | ARNS,
        ARM,
        True,
        [
            'PaymentPlatform="stripe"',
            'Architecture="arm64"',
            'CryptlexProductId="p"',
            'StripeSecretArn="arn:s"',
            'FastSpringSecretArn=""',
            'PaddleSecretArn=""',
        ],
    ),
    (
        {"PLATFORM": "paddle", "PARAMETERS": "CryptlexProductId=p"},
        ARM,
        True,
        [
            'PaymentPlatform="paddle"',
            'Architecture="arm64"',
            'CryptlexProductId="p"',
            'StripeSecretArn=""',
            # The last one counts.
            'CryptlexProductId=""',
            'FastSpringSecretArn=""',
        ],
    ),
    (
        {"PLATFORM": "all", "PARAMETERS": 'GraceDays=7 IpAllowlist="provider, 203.0.113.7"\nAlarmEmail=""'},
        ARM,
        True,
        [
            'PaymentPlatform="all"',
            'Architecture="arm64"',
            'GraceDays="7"',
            'IpAllowlist="provider, 203.0.113.7"',
            'AlarmEmail=""',
        ],
    ),
    (
        {"PLATFORM": "all", "PARAMETERS": "IpAllowlist=provider, 203.0.113.7"},
        ARM,
        False,
        ["PARAMETERS: 203.0.113.7 is not Name=value"],
    ),
]
CASES = [
    *(("check-secrets.sh", environment, known, ARM, *wanted) for environment, known, *wanted in SECRETS),
    *(("ask-health.sh", environment, known, ARM, *wanted) for environment, known, *wanted in HEALTH),
    *(("deploy.sh", environment, {}, built, *wanted) for environment, built, *wanted in DEPLOY),
]


def run(root, script, environment, known, machine):
    header = b"\x7fELF".ljust(18, b"\0") + machine.to_bytes(2, "little")
    (root / ".aws-sam/build/StripeFunction/bootstrap").write_bytes(header)
    common = {"PATH": f"{root}/bin:{os.environ['PATH']}", "REGION": "eu-central-1", "KNOWN": json.dumps(known)}
    return subprocess.run(
        [root / "deploy" / script],
        env=common | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def main():
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for part in ("bin", "deploy", ".venv/sam/bin", ".aws-sam/build/StripeFunction"):
            (root / part).mkdir(parents=True)
        for stand_in in ("bin/aws", "bin/curl", ".venv/sam/bin/sam"):
            (root / stand_in).write_text(STAND_IN)
            (root / stand_in).chmod(0o755)
        for script in HERE.glob("*.sh"):
            shutil.copy(script, root / "deploy")
        for script, environment, known, machine, succeeds, says in CASES:
            done = run(root, script, environment, known, machine)
            found = (done.returncode == 0, done.stdout.splitlines())
            if found != (succeeds, says):
                wrong += 1
                print(f"{script} {environment}: {found}, but it must be {(succeeds, says)}", file=sys.stderr)
    print(f"deploy/*.sh: {len(CASES)} runs, {wrong} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
