"""Runs the deploy scripts with an AWS that only this file knows, and compares what they do with tables."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import check_release

HERE = Path(__file__).resolve().parent
ARM, INTEL = 183, 62

# Stands for `aws`, `sam`, `curl` and `make`: answers with what the case says, and fails where it says nothing. What AWS knows
# after the deployment is under "after".
STAND_IN = """#!/usr/bin/env python3
import json, os, pathlib, sys
known = json.loads(os.environ["KNOWN"])
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
deployed = pathlib.Path(os.environ["ROOT"], "deployed")
if deployed.exists():
    known |= known.get("after", {})
def argument(of):
    return arguments[arguments.index(of) + 1] if of in arguments else ""
if name == "make":
    sam = pathlib.Path(os.environ["ROOT"], arguments[-1])
    sam.write_text(pathlib.Path(__file__).read_text())
    sam.chmod(0o755)
    print("made", sam.name)
elif name == "sam":
    if "sam" in known:
        sys.exit(known["sam"])
    deployed.touch()
    template = pathlib.Path(argument("--template-file"))
    print(template.parent.name, *sorted(it.name for it in template.parent.iterdir()))
    print("\\n".join(arguments[arguments.index("--parameter-overrides") + 1:]))
    print("CloudFormation outputs from deployed stack\\n---\\nKey  Long\\nValue arn:\\nlong\\n---")
    print("\\nSuccessfully created/updated stack - payment-webhooks in eu-central-1")
elif name == "curl":
    open(argument("--output"), "w").write(known["health"])
    print(200 if known["health"] == "fine" else 503)
else:
    asked = argument("--secret-id") or argument("--topic-arn") or "stack"
    if asked == "stack" and asked in known and "Parameters" in argument("--query"):
        asked = "parameters"
        known.setdefault(asked, "None")
    if asked not in known:
        sys.exit("Stack with id payment-webhooks does not exist" if asked == "stack" else "no such thing")
    print(known[asked])
"""

NAMES = ["PADDLE_WEBHOOK_SECRET", "CRYPTLEX_ACCESS_TOKEN", "CRYPTLEX_WEB_API_BASE_URL"]
FULL = json.dumps({name: "x" for name in NAMES})
NO_TOKEN = FULL.replace("CRYPTLEX_ACCESS_TOKEN", "OTHER")
OWN = "StripeWebhookUrl\thttps://x\nPaddleSecretArn\tarn:own"
GIVEN = "PaddleSecretArn\tarn:own\nAlarmEmail\t"
NOT_GIVEN = "PaddleSecretArn\t\nAlarmEmail\t"
ARNS = {"STRIPE_SECRET_ARN": "arn:s", "FASTSPRING_SECRET_ARN": "arn:f", "PADDLE_SECRET_ARN": "arn:p"}
URL = "https://api/live/webhooks/paddle"
HEALTH_URL = "https://api/live/paddle/health"
BOGUS = "PLATFORM=bogus must be all, stripe, fastspring or paddle"
TO_COME = "so the stack gets an empty secret for you to fill in; /health is 503 until then"
STILL_EMPTY = "Paddle: the secret arn:own is still empty, for you to fill in; /health is 503 until then"
INCOMPLETE = "paddle: the secret that was given for it lacks what the function needs"


def not_read(arn):
    return ["no such thing", f"Paddle: the secret {arn} cannot be read: it needs secretsmanager:GetSecretValue"]


def lacks(arn, *names):
    return [f"Paddle: {name} is missing in the secret {arn}, which must be a JSON object" for name in names]


def health(missing, *problems):
    problems = [*problems, *(f"{name} was not found in environment variables." for name in missing)]
    return json.dumps({"missing": missing, "problems": problems, "status": "not configured", "version": "0"})


OF_SECRET = ["PADDLE_WEBHOOK_SECRET", "CRYPTLEX_ACCESS_TOKEN", "CRYPTLEX_WEB_API_BASE_URL"]
EMPTY = health(OF_SECRET)
HALF = health(OF_SECRET[1:])
WRONG = health(OF_SECRET, "IP_ALLOWLIST must be addresses and networks")
REFUSED = health(OF_SECRET, "SECRETS_ID: the secret could not be read: AccessDeniedException")

# The environment and what AWS knows; with what the script ends, and what it says.
SECRETS = [
    ({"PLATFORM": "bogus"}, {}, 1, [BOGUS]),
    ({"PLATFORM": "paddle"}, {}, 0, [f"Paddle: PADDLE_SECRET_ARN is not set, {TO_COME}"]),
    ({"PLATFORM": "paddle"}, {"stack": OWN, "arn:own": FULL}, 0, []),
    ({"PLATFORM": "paddle"}, {"stack": OWN, "arn:own": NO_TOKEN}, 1, lacks("arn:own", NAMES[1])),
    ({"PLATFORM": "paddle"}, {"stack": OWN, "parameters": NOT_GIVEN, "arn:own": "{}"}, 0, [STILL_EMPTY]),
    ({"PLATFORM": "paddle"}, {"stack": OWN, "parameters": GIVEN, "arn:own": "{}"}, 1, lacks("arn:own", *NAMES)),
    ({"PLATFORM": "paddle"}, {"stack": OWN, "parameters": GIVEN}, 1, not_read("arn:own")),
    ({"PLATFORM": "paddle"}, {"stack": OWN, "parameters": NOT_GIVEN}, 1, not_read("arn:own")),
    ({"PLATFORM": "paddle"} | ARNS, {"stack": OWN, "arn:p": FULL}, 0, []),
    ({"PLATFORM": "paddle"} | ARNS, {"stack": OWN, "arn:p": "{}"}, 1, lacks("arn:p", *NAMES)),
    ({"PLATFORM": "paddle"} | ARNS, {}, 1, not_read("arn:p")),
]
HEALTH = [
    ({}, {"stack": ""}, 1, ["the stack payment-webhooks has no URL"]),
    ({}, {"stack": "None"}, 1, ["the stack payment-webhooks has no URL"]),
    ({}, {"stack": URL, "health": "fine"}, 0, [f"{HEALTH_URL}: 200 fine"]),
    ({}, {"stack": URL, "health": "broken"}, 1, [f"{HEALTH_URL}: 503 broken"]),
    ({}, {"stack": URL, "health": "[]"}, 1, [f"{HEALTH_URL}: 503 []"]),
    ({}, {"stack": URL, "health": '{"status":"no ledger"}'}, 1, [f'{HEALTH_URL}: 503 {{"status":"no ledger"}}']),
    ({}, {"stack": URL, "parameters": NOT_GIVEN, "health": EMPTY}, 0, [f"{HEALTH_URL}: 503 {EMPTY}"]),
    ({}, {"stack": URL, "parameters": NOT_GIVEN, "health": REFUSED}, 1, [f"{HEALTH_URL}: 503 {REFUSED}"]),
    ({}, {"stack": URL, "parameters": NOT_GIVEN, "health": HALF}, 1, [f"{HEALTH_URL}: 503 {HALF}"]),
    ({}, {"stack": URL, "parameters": NOT_GIVEN, "health": WRONG}, 1, [f"{HEALTH_URL}: 503 {WRONG}"]),
    ({}, {"stack": URL, "parameters": GIVEN, "health": REFUSED}, 1, [f"{HEALTH_URL}: 503 {REFUSED}"]),
    ({}, {"stack": URL, "parameters": GIVEN, "health": EMPTY}, 1, [f"{HEALTH_URL}: 503 {EMPTY}", INCOMPLETE]),
]

# ---- deploy.sh: what sam gets -------------------------------------------------------------------------------------------

MAIL = "AlarmEmail=ops@example.com"
TOPIC = "TopicArn\tarn:topic"
OUTPUTS = f"{TOPIC}\nPaddleWebhookUrl\t{URL}\nPaddleSecretArn\tarn:own"
CONFIRMED = "ops@example.com\tarn:aws:sns:eu-central-1:1:t:1"
PENDING = "ops@example.com\tPendingConfirmation"
HEARD = {"after": {"stack": OUTPUTS, "arn:topic": CONFIRMED}}
BUILT = "build StripeFunction template.yaml"
SUCCESS = "Successfully created/updated stack - payment-webhooks in eu-central-1"
PASTED = ["PaddleSecretArn=arn:own", f"PaddleWebhookUrl={URL}", "TopicArn=arn:topic"]


def deployed(*parameters, built=BUILT, pasted=PASTED):
    return [built, *parameters, SUCCESS, *pasted]


def given(platform, *others, architecture="arm64"):
    return [f'PaymentPlatform="{platform}"', f'Architecture="{architecture}"', *others]


MAILED = 'AlarmEmail="ops@example.com"'
NOT_BUILT = ".aws-sam/build holds no function for arm64 or x86_64: make sam-build"
# The environment and what was built; with what the script ends, and what it and sam say.
PASSED_ON = [
    ({"PLATFORM": "bogus"}, ARM, 1, [BOGUS]),
    ({"PLATFORM": "all"}, 0, 1, [NOT_BUILT]),
    ({"PLATFORM": "all", "PARAMETERS": MAIL}, ARM, 0, deployed(*given("all", MAILED))),
    (
        {"PLATFORM": "all", "PARAMETERS": MAIL} | ARNS,
        INTEL,
        0,
        deployed(
            *given("all", MAILED, architecture="x86_64"),
            *('StripeSecretArn="arn:s"', 'FastSpringSecretArn="arn:f"', 'PaddleSecretArn="arn:p"'),
        ),
    ),
    (
        {"PLATFORM": "stripe", "PARAMETERS": f"{MAIL} CryptlexProductId=p"} | ARNS,
        ARM,
        0,
        deployed(
            *given("stripe", MAILED, 'CryptlexProductId="p"'),
            *('StripeSecretArn="arn:s"', 'FastSpringSecretArn=""', 'PaddleSecretArn=""'),
        ),
    ),
    (
        {"PLATFORM": "paddle", "PARAMETERS": f"CryptlexProductId=p {MAIL}"},
        ARM,
        0,
        deployed(
            # The last one counts.
            *given("paddle", 'CryptlexProductId="p"', MAILED, 'StripeSecretArn=""', 'CryptlexProductId=""'),
            'FastSpringSecretArn=""',
        ),
    ),
    (
        {"PLATFORM": "all", "PARAMETERS": f'GraceDays=7 IpAllowlist="provider, 203.0.113.7"\nCancellationAction="" {MAIL}'},
        ARM,
        0,
        deployed(
            *given("all", 'GraceDays="7"', 'IpAllowlist="provider, 203.0.113.7"', 'CancellationAction=""', MAILED),
        ),
    ),
    (
        {"PLATFORM": "all", "PARAMETERS": "IpAllowlist=provider, 203.0.113.7"},
        ARM,
        1,
        ["PARAMETERS: 203.0.113.7 is not Name=value"],
    ),
]

# ---- deploy.sh: who is told ---------------------------------------------------------------------------------------------

NOBODY = [
    "nobody would be told when webhooks fail, so nothing was deployed. Name somebody:",
    "  PARAMETERS='AlarmEmail=ops@example.com' (keep your other parameters), or NO_ALARM_EMAIL=yes if nobody need be told",
]
UNHEARD = "WARNING: the stack payment-webhooks runs, but NOBODY IS TOLD when webhooks fail: no confirmed subscriber is known."
WANTED = "You set NO_ALARM_EMAIL=yes, so this is not an error."
SUBSCRIBE = "Subscribe somebody, who must then confirm:"
BLIND = ["no such thing", "WARNING: cannot read the subscribers of arn:topic"]
ALL = {"PLATFORM": "all"}
CHOSEN = ALL | {"NO_ALARM_EMAIL": "yes"}
NAMED = ALL | {"PARAMETERS": MAIL}
EMPTIED = ALL | {"PARAMETERS": 'AlarmEmail=""'}
HAD = {"stack": OUTPUTS, "parameters": "AlarmEmail\tops@example.com"}
HAD_NOBODY = {"stack": OUTPUTS, "parameters": "AlarmEmail\t"}
OTHER = "#chat\tarn:aws:sns:eu-central-1:1:t:2"


def asks(topic="arn:topic", address="ops@example.com"):
    return f"  aws sns subscribe --region eu-central-1 --topic-arn {topic} --protocol email --notification-endpoint {address}"


def waits(topic="arn:topic", address="ops@example.com", name="TopicArn"):
    return [
        f"WARNING: {address} gets no messages of topic {name} yet. Click the link in the mail from AWS. To get another mail, run:",
        asks(topic, address),
    ]


# The environment, and what AWS knows before and after; with what the script ends, and what it and sam say.
TOLD = [
    # A first deployment.
    (ALL, {}, 1, NOBODY),
    (EMPTIED, {}, 1, NOBODY),
    (ALL | {"NO_ALARM_EMAIL": "no"}, {}, 1, ["NO_ALARM_EMAIL=no must be yes, or not set"]),
    (NAMED, HEARD, 0, deployed(*given("all", MAILED))),
    (NAMED, {"after": {"stack": OUTPUTS, "arn:topic": PENDING}}, 3, [*deployed(*given("all", MAILED)), *waits(), UNHEARD]),
    (
        NAMED,
        {"after": {"stack": OUTPUTS, "arn:topic": ""}},
        3,
        [*deployed(*given("all", MAILED)), UNHEARD, SUBSCRIBE, asks()],
    ),
    (CHOSEN, {"after": {"stack": OUTPUTS, "arn:topic": ""}}, 0, [*deployed(*given("all")), UNHEARD, WANTED]),
    (CHOSEN | NAMED, {"after": {"stack": OUTPUTS, "arn:topic": PENDING}}, 0,
     [*deployed(*given("all", MAILED)), *waits(), UNHEARD, WANTED]),
    # What must not be taken for somebody: an answer that says nothing.
    (NAMED, {"after": {"stack": OUTPUTS}}, 3,
     [*deployed(*given("all", MAILED)), *BLIND, UNHEARD, SUBSCRIBE, asks()]),
    # A later one.
    (ALL, HAD | {"arn:topic": CONFIRMED}, 0, deployed(*given("all"))),
    (ALL, HAD | {"arn:topic": PENDING}, 3, [*deployed(*given("all")), *waits(), UNHEARD]),
    (ALL, HAD | {"arn:topic": "ops@example.com\tDeleted"}, 3, [*deployed(*given("all")), UNHEARD, SUBSCRIBE, asks()]),
    (ALL, HAD_NOBODY | {"arn:topic": ""}, 1, NOBODY),
    (ALL, HAD_NOBODY | {"arn:topic": PENDING}, 1, NOBODY),
    (ALL, HAD_NOBODY | {"arn:topic": OTHER}, 0, deployed(*given("all"))),
    (EMPTIED, HAD | {"arn:topic": CONFIRMED}, 1, NOBODY),
    (EMPTIED, HAD | {"arn:topic": f"{CONFIRMED}\n{OTHER}", "after": {"arn:topic": OTHER}}, 0,
     deployed(*given("all", 'AlarmEmail=""'))),
    # Another topic, which nobody need hear.
    (NAMED, {"after": {"stack": f"{OUTPUTS}\nBusinessTopicArn\tarn:b", "arn:topic": CONFIRMED, "arn:b": ""}}, 0,
     deployed(*given("all", MAILED), pasted=["BusinessTopicArn=arn:b", *PASTED])),
    (NAMED, {"after": {"stack": f"{OUTPUTS}\nBusinessTopicArn\tarn:b", "arn:topic": CONFIRMED,
                       "arn:b": "sales@example.com\tPendingConfirmation"}}, 0,
     [*deployed(*given("all", MAILED), pasted=["BusinessTopicArn=arn:b", *PASTED]), *waits("arn:b", "sales@example.com", "BusinessTopicArn")]),
    (NAMED, {"after": {"stack": f"{OUTPUTS}\nBusinessTopicArn\tarn:b", "arn:topic": PENDING,
                       "arn:b": "sales@example.com\tarn:aws:sns:eu-central-1:1:b:1"}}, 3,
     [*deployed(*given("all", MAILED), pasted=["BusinessTopicArn=arn:b", *PASTED]), *waits(), UNHEARD]),
    # A deployment that fails says nothing more.
    (NAMED, {"sam": "sam failed", **HEARD}, 1, ["sam failed"]),
]

# ---- deploy.sh: the zips of a release -----------------------------------------------------------------------------------

FROM_ZIPS = NAMED | {"ZIPS": "dist"}
NO_SAM = "no-sam"
FOR_PADDLE = ['StripeSecretArn=""', 'CryptlexProductId=""', 'FastSpringSecretArn=""']
# The environment, and what the zips in dist were built for; with what the script ends, and what it and sam say.
RELEASED = [
    (
        FROM_ZIPS,
        ["stripe-arm64", "fastspring-arm64", "paddle-arm64"],
        0,
        deployed(
            *given("all", MAILED),
            built="zips fastspring-webhook-arm64.zip paddle-webhook-arm64.zip stripe-webhook-arm64.zip template.yaml",
        ),
    ),
    (
        FROM_ZIPS | {"PLATFORM": "paddle", "ARCHITECTURE": "x86_64"},
        ["paddle-x86_64", "paddle-arm64"],
        0,
        deployed(
            *given("paddle", MAILED, *FOR_PADDLE, architecture="x86_64"),
            built="zips not-deployed paddle-webhook-x86_64.zip template.yaml",
        ),
    ),
    # Where sam is not installed yet.
    (
        FROM_ZIPS | {"PLATFORM": "paddle"},
        ["paddle-arm64", NO_SAM],
        0,
        [
            "made sam",
            *deployed(
                *given("paddle", MAILED, *FOR_PADDLE),
                built="zips not-deployed paddle-webhook-arm64.zip template.yaml",
            ),
        ],
    ),
    (FROM_ZIPS, ["stripe-arm64", "paddle-arm64"], 1, ["dist/fastspring-webhook-arm64.zip is not there"]),
    (FROM_ZIPS | {"ARCHITECTURE": "mips"}, [], 1, ["ARCHITECTURE=mips must be arm64 or x86_64"]),
]

CASES = [
    *(("check-secrets.sh", environment, known, ARM, [], *wanted) for environment, known, *wanted in SECRETS),
    *(("ask-health.sh", environment, known, ARM, [], *wanted) for environment, known, *wanted in HEALTH),
    *(("deploy.sh", environment, HEARD, built, [], *wanted) for environment, built, *wanted in PASSED_ON),
    *(("deploy.sh", environment, known, ARM, [], *wanted) for environment, known, *wanted in TOLD),
    # Nothing else was built.
    *(("deploy.sh", environment, HEARD, None, zips, *wanted) for environment, zips, *wanted in RELEASED),
]


def prepare(root, machine, zips):
    for part in (".aws-sam", "dist", "deployed"):
        shutil.rmtree(root / part, ignore_errors=True)
        (root / part).unlink(missing_ok=True)
    if machine is not None:
        (root / ".aws-sam/build/StripeFunction").mkdir(parents=True)
        (root / ".aws-sam/build/template.yaml").touch()
        header = b"\x7fELF".ljust(18, b"\0") + machine.to_bytes(2, "little")
        (root / ".aws-sam/build/StripeFunction/bootstrap").write_bytes(header)
    (root / "dist").mkdir()
    if NO_SAM in zips:
        (root / ".venv/sam/bin/sam").unlink()
    for name in set(zips) - {NO_SAM}:
        platform, architecture = name.split("-")
        binary = check_release.binary(ARM if architecture == "arm64" else INTEL)
        (root / "dist" / f"{platform}-webhook-{architecture}.zip").write_bytes(check_release.zipped(binary))


def run(root, script, environment, known):
    common = {
        "PATH": f"{root}/bin:{os.environ['PATH']}",
        "REGION": "eu-central-1",
        "KNOWN": json.dumps(known),
        "ROOT": str(root),
    }
    done = subprocess.run(
        [root / "deploy" / script],
        env=common | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, [line for line in done.stdout.splitlines() if line]


def main():
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for part in ("bin", "deploy", ".venv/sam/bin"):
            (root / part).mkdir(parents=True)
        for stand_in in ("bin/aws", "bin/curl", "bin/make", ".venv/sam/bin/sam"):
            (root / stand_in).write_text(STAND_IN)
            (root / stand_in).chmod(0o755)
        for script in (*HERE.glob("*.sh"), HERE / "release.py"):
            shutil.copy(script, root / "deploy")
        shutil.copy(HERE.parent / "template.yaml", root)
        for script, environment, known, machine, zips, *wanted in CASES:
            prepare(root, machine, zips)
            found = run(root, script, environment, known)
            if found != tuple(wanted):
                wrong += 1
                print(f"{script} {environment}, {known}: {found}, but it must be {tuple(wanted)}", file=sys.stderr)
    print(f"deploy/*.sh: {len(CASES)} runs, {wrong} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
