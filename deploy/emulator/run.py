"""`make stack`: deploys template.yaml with deploy/deploy.sh into an emulator of AWS, and uses it as a vendor does.

    ZIPS=folder ARCHITECTURE=x86_64 run.py    without ZIPS what `make sam-build` built

Prints each step with what was seen. 0: all of it was as it should be.
"""

import json
import os
import re
import subprocess
import sys
import time

import boto3
from servers import DEVKIT, LOOPBACK, REGION, ROOT, Servers, get

STACK = "payment-webhooks"
TOKEN = "sandbox-token"
PROVIDERS = {
    "stripe": ("Stripe", "checkout-subscription", "whsec_stack_one"),
    "fastspring": ("FastSpring", "order-subscription", "fs_stack_one"),
    "paddle": ("Paddle", "transaction-web", "pdl_ntfset_stack_one"),
}
# Six minutes in template.yaml. What was tried in vain comes back after it, for which nobody wants to wait here.
VISIBILITY_SECONDS = 20
QUEUE_SECONDS = 120
LIMITS = """
What the emulator cannot show, so that this run says nothing about it:
- IAM: it lets everybody do everything. `make check` compares roles, boundary and role-policy.json with the source.
- Throttles, the resource policy (WebhookAddresses) and the web ACL (it has no WAFv2): it takes them and does nothing.
- Rules of the template: it does not read them. It leaves out the retention of logs, the metric filter and point-in-time recovery.
- Metrics: it reads none from logs, so no alarm of ours can ring. deploy/alarms.py computes when they do.
- Access logs of API Gateway: it writes none.
- Subscriptions: it confirms them by itself, so deploy.sh ends with 0 where AWS makes it end with 3.
- Updates: LocalStack refuses another PLATFORM ("Unresolved resource dependencies"), and loses the API's stage with any other.
- What a failed first deployment takes back: LocalStack does not know RetainExceptOnCreate. Here it takes Retain for it.
- How long anything takes, and what it costs.
"""


class Failed(Exception):
    """Without what was to be seen, what comes next would show nothing."""


class Story:
    def __init__(self, servers):
        self.servers, self.environment, self.outputs, self.wrong = servers, servers.environment, {}, 0
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
        self.client = lambda name: boto3.client(name, endpoint_url=self.environment["AWS_ENDPOINT_URL"], **keys)

    # ---- telling ------------------------------------------------------------------------------------------------------

    def step(self, title):
        print(f"\n== {title}", flush=True)

    def check(self, right, seen):
        self.wrong += not right
        print(f"{'  ok ' if right else '  NOT'} {seen}", flush=True)
        return right

    def need(self, right, seen):
        if not self.check(right, seen):
            raise Failed(seen)

    # ---- doing --------------------------------------------------------------------------------------------------------

    def run(self, arguments, **more):
        environment = {**self.environment, "REGION": REGION, **more}
        done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
        return done.returncode, done.stdout, done.stderr

    def deploy(self, **more):
        chosen = {name: os.environ[name] for name in ("ZIPS", "ARCHITECTURE") if os.environ.get(name)}
        status, out, err = self.run(["deploy/deploy.sh"], PLATFORM="all", **chosen, **more)
        self.outputs = dict(re.findall(r"^(\w+)=(\S+)$", out, re.M)) if status in (0, 3) else {}
        return status, out, err

    def put_secret(self, provider, **values):
        """As docs/aws.md says: the whole object, from a file."""
        title, _, secret = PROVIDERS[provider]
        whole = {
            f"{provider.upper()}_WEBHOOK_SECRET": secret,
            "CRYPTLEX_ACCESS_TOKEN": TOKEN,
            "CRYPTLEX_WEB_API_BASE_URL": self.servers.cryptlex_url,
            **values,
        }
        path = self.servers.folder / "secret.json"
        path.write_text(json.dumps(whole))
        arn = self.outputs[f"{title}SecretArn"]
        status, _, err = self.run(
            ["aws", "secretsmanager", "put-secret-value", "--region", REGION]
            + ["--secret-id", arn, "--secret-string", f"file://{path}"]
        )
        path.unlink()
        if status:
            raise Failed(err)

    def url(self, provider, path):
        """By address: devkit would not take the emulator's certificate, nor know its name."""
        api = self.outputs[f"{PROVIDERS[provider][0]}WebhookUrl"].split("//")[1].split(".")[0]
        return f"http://{LOOPBACK}:{self.servers.aws_port}/_aws/execute-api/{api}/live{path}"

    def send(self, provider, case=None, secret=None):
        """Status and text of the answer to a signed delivery."""
        _, known, right = PROVIDERS[provider]
        url = self.url(provider, f"/webhooks/{provider}")
        _, out, err = self.run(
            [str(DEVKIT), "send", provider, case or known, "--secret", secret or right, "--url", url]
        )
        found = re.search(r"\b([1-5]\d\d)\b", out)
        return int(found[1]) if found else 0, " ".join((out or err).split())

    def licenses(self):
        return json.loads(get(f"{self.servers.cryptlex_url}/sandbox/state")[1])["licenses"]

    def health(self, provider):
        status, body = get(self.url(provider, f"/{provider}/health"))
        return status, json.loads(body).get("status")

    def queue(self, title):
        stack = self.client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId=title)
        return stack["StackResourceDetail"]["PhysicalResourceId"]

    def hurry(self, url):
        self.client("sqs").set_queue_attributes(
            QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        )

    def held(self, url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        values = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(it) for it in values.values())

    def wait(self, what, seconds=QUEUE_SECONDS):
        """After how many seconds it was so; None if it never was."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if what():
                return time.monotonic() - began
            time.sleep(1)
        return None

    def page(self, name, begins):
        """The command of a page that begins so, as somebody copies it."""
        lines = (ROOT / "docs" / name).read_text().splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith(f"    {begins}"))
        rest = lines[first:]
        last = next(number for number, line in enumerate(rest) if not line.startswith("    "))
        return "\n".join(line[4:] for line in rest[:last])


def deployment(story):
    story.step("deploy.sh without anybody to tell")
    status, _, err = story.deploy()
    story.check(status == 1 and "nothing was deployed" in err, f"status {status}: {err.strip().splitlines()[0]}")

    story.step("deploy.sh PLATFORM=all PARAMETERS=AlarmEmail=..")
    status, _, err = story.deploy(PARAMETERS="AlarmEmail=ops@example.com")
    story.need(status in (0, 3), f"status {status} {err[-600:] if status not in (0, 3) else ''}")
    story.check(len(story.outputs) == 10, f"{len(story.outputs)} outputs, one a line: {', '.join(story.outputs)}")
    told = story.client("cloudformation").describe_stack_events(StackName=STACK)["StackEvents"]
    for reason in sorted({it.get("ResourceStatusReason", "") for it in told}):
        if "not supported" in reason:
            print(f"       the emulator says: {reason}")

    story.step("check-secrets.sh and ask-health.sh while the secrets are empty")
    status, out, _ = story.run(["deploy/check-secrets.sh"], PLATFORM="all")
    empty = out.count("still empty")
    story.check(status == 0 and empty == 3, f"check-secrets.sh: status {status}, {empty} are still empty")
    status, out, _ = story.run(["deploy/ask-health.sh"])
    story.check(status == 0 and out.count(": 503 ") == 3, f"ask-health.sh: status {status}, {out.count(': 503 ')} answer 503")


def configuration(story):
    story.step("The secrets are filled in; FastSpring's with a wrong Cryptlex token")
    story.put_secret("stripe")
    story.put_secret("paddle")
    story.put_secret("fastspring", CRYPTLEX_ACCESS_TOKEN="expired-token")
    for provider in PROVIDERS:
        # Asked in vain, the function reads the secret no more for a minute for whoever asked; here everybody is one address.
        took = story.wait(lambda asked=provider: story.health(asked)[0] == 200)
        status, word = story.health(provider)
        story.check(took is not None, f"{provider}: /health {status}, {word}, after {took or QUEUE_SECONDS:.0f} seconds")
    status, out, _ = story.run(["deploy/ask-health.sh"])
    story.check(status == 0 and out.count(": 200 ") == 3, f"ask-health.sh: status {status}, {out.count(': 200 ')} answer 200")


def purchases(story):
    story.step("Purchases, and the same deliveries again")
    for provider in ("stripe", "paddle"):
        before = len(story.licenses())
        status, text = story.send(provider)
        after = len(story.licenses())
        story.check(status == 200 and after > before, f"{provider}: {text} ({after - before} licenses)")
        again, text = story.send(provider)
        story.check(again == 200 and len(story.licenses()) == after, f"{provider} again: {text} (no license more)")

    story.step("The Cryptlex token is wrong, then another one is put into the secret")
    before = len(story.licenses())
    status, text = story.send("fastspring")
    story.check(status >= 400 and len(story.licenses()) == before, f"fastspring: {text} (no license)")
    story.put_secret("fastspring")
    took = story.wait(lambda: story.send("fastspring")[0] == 200)
    status, text = story.send("fastspring")
    made = len(story.licenses()) - before
    seen = f"after {took or QUEUE_SECONDS:.0f} seconds: {text} ({made} licenses, nothing deployed)"
    story.check(status == 200 and made > 0, f"fastspring, {seen}")


def logs(story):
    story.step("What the functions printed is in the log that the template names, with their metrics, and without secrets")
    for provider, (_, _, secret) in PROVIDERS.items():
        events = story.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{STACK}-{provider}")["events"]
        lines = [it["message"] for it in events]
        metrics = [it for it in lines if '"_aws"' in it]
        leaked = [it for it in lines if secret in it or TOKEN in it]
        seen = f"{len(lines)} lines, {len(metrics)} of metrics, {len(leaked)} with a secret"
        story.check(metrics and not leaked, f"{provider}: {seen}")


def signatures(story):
    """A signature that nobody knows makes the function read the secret again, once a minute for its source. So it comes after."""
    one, two = PROVIDERS["stripe"][2], "whsec_stack_two"
    story.step("The signing secret is rotated, while the function runs")
    story.put_secret("stripe", STRIPE_WEBHOOK_SECRET=two)
    before = len(story.licenses())
    status, text = story.send("stripe", "checkout-payment", secret=two)
    story.check(status == 200 and len(story.licenses()) > before, f"signed with the new one: {text}")
    status, text = story.send("stripe", "checkout-payment", secret=one)
    story.check(status == 200, f"signed with the one before: {text}")

    story.step("The same is put once more, which ends the one before; then a wrong signature")
    story.put_secret("stripe", STRIPE_WEBHOOK_SECRET=two)
    before = story.licenses()
    status, text = story.send("stripe", "invoice-cycle", secret="whsec_nobody_knows")
    story.check(400 <= status < 500 and story.licenses() == before, f"{text} (no license changed)")
    status, text = story.send("stripe", secret=one)
    story.check(400 <= status < 500, f"signed with the secret that was ended: {text}")
    status, text = story.send("stripe", secret=two)
    story.check(status == 200, f"signed with the right one: {text}")


def cryptlex_down(story):
    story.step("Cryptlex is down, then back: the event goes through the queue")
    queue = story.queue("PaddleQueue")
    story.hurry(queue)
    story.servers.cryptlex.stop()
    status, text = story.send("paddle", "transaction-one-time")
    held = story.held(queue)
    story.check(status < 300 and held == 1, f"while it is down: {text} ({held} message in the queue)")
    time.sleep(5)
    story.servers.cryptlex.start()
    story.check(not story.licenses(), "Cryptlex is back, as new: it has no licenses")
    took = story.wait(lambda: story.licenses() and not story.held(queue))
    made = len(story.licenses())
    story.check(took is not None and made > 0, f"after {took or QUEUE_SECONDS:.0f} seconds: {made} licenses, the queue is empty")


def deletion(story):
    story.step("The stack is deleted while an event waits in a queue")
    kept = story.queue("StripeQueue")
    story.hurry(kept)
    story.servers.cryptlex.stop()
    status, text = story.send("stripe", "checkout-trial", secret="whsec_stack_two")
    held = story.held(kept)
    story.check(status < 300 and held == 1, f"while Cryptlex is down: {text} ({held} message in the queue)")
    loop = story.page("aws.md", "for queue in StripeQueue").split("\n.venv/")[0]
    status, out, err = story.run(["bash", "-c", loop])
    seen = " ".join((out + err).split())
    story.check(status == 0 and len(out.split()) == 12, f"the loop of docs/aws.md prints {seen}")
    delete = [".venv/sam/bin/sam", "delete", "--stack-name", STACK, "--region", REGION, "--no-prompts"]
    status, _, err = story.run(delete)
    story.need(status == 0, f"sam delete: status {status} {err[-600:] if status else ''}")
    gone = {
        "functions": story.client("lambda").list_functions()["Functions"],
        "APIs": story.client("apigateway").get_rest_apis()["items"],
        "alarms": story.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "topics": story.client("sns").list_topics()["Topics"],
    }
    for name, left in gone.items():
        story.check(not left, f"{name}: {len(left)} left")
    tables = story.client("dynamodb").list_tables()["TableNames"]
    story.check(tables == [story.outputs["LedgerTable"]], f"tables that are kept: {tables}")
    queues = story.client("sqs").list_queues().get("QueueUrls", [])
    story.check(len(queues) == 4 and kept in queues, f"{len(queues)} queues are kept, with {story.held(kept)} message")
    secrets = story.client("secretsmanager").list_secrets()["SecretList"]
    story.check(len(secrets) == 3, f"{len(secrets)} secrets are kept")
    return kept


def another_stack(story, kept):
    story.step("Another stack takes the kept table and secrets")
    arns = {f"{provider.upper()}_SECRET_ARN": story.outputs[f"{it[0]}SecretArn"] for provider, it in PROVIDERS.items()}
    table = story.outputs["LedgerTable"]
    status, _, err = story.deploy(PARAMETERS=f"AlarmEmail=ops@example.com LedgerTableName={table}", **arns)
    story.need(status in (0, 3), f"status {status} {err[-600:] if status not in (0, 3) else ''}")
    story.check(story.outputs["LedgerTable"] == table, f"its table is {story.outputs['LedgerTable']}")
    story.servers.cryptlex.start()
    status, out, _ = story.run(["deploy/ask-health.sh"])
    story.check(status == 0 and out.count(": 200 ") == 3, f"ask-health.sh: status {status}, {out.count(': 200 ')} answer 200")
    status, text = story.send("stripe", secret="whsec_stack_two")
    story.check(status == 200 and not story.licenses(), f"stripe's first purchase again: {text} (no license: it is known)")

    story.step("What waited in the old queue is copied into the new one")
    # What was being tried when the function went shows up again first.
    time.sleep(VISIBILITY_SECONDS)
    loop = story.page("operations.md", "while read -r receipt body")
    status, out, err = story.run(["bash", "-c", loop], KEPT=kept, QUEUE=story.queue("StripeQueue"))
    left = story.held(kept)
    story.check(status == 0 and not left, f"the loop of docs/operations.md: status {status}, {left} left {err}")
    took = story.wait(story.licenses)
    story.check(took is not None, f"after {took or QUEUE_SECONDS:.0f} seconds: {len(story.licenses())} licenses")


def update(story):
    """The last step: the emulator loses the stage of the API with it."""
    table = story.outputs["LedgerTable"]
    story.step("deploy.sh again, with one parameter: the others keep their values")
    status, _, err = story.deploy(PARAMETERS="GraceDays=7")
    story.need(status in (0, 3), f"status {status} {err[-600:] if status not in (0, 3) else ''}")
    variables = story.client("lambda").get_function_configuration(FunctionName=f"{STACK}-stripe")["Environment"]["Variables"]
    story.check(variables["GRACE_DAYS"] == "7", f"GRACE_DAYS is {variables['GRACE_DAYS']}")
    story.check(variables["LEDGER_TABLE"] == table, f"LEDGER_TABLE is {variables['LEDGER_TABLE']}")
    topic = story.client("sns").list_subscriptions_by_topic(TopicArn=story.outputs["TopicArn"])["Subscriptions"]
    story.check([it["Endpoint"] for it in topic] == ["ops@example.com"], f"alarms go to {[it['Endpoint'] for it in topic]}")


def main():
    with Servers() as servers:
        story = Story(servers)
        try:
            deployment(story)
            configuration(story)
            purchases(story)
            logs(story)
            signatures(story)
            cryptlex_down(story)
            another_stack(story, deletion(story))
            update(story)
        except Failed:
            print("  the rest was not tried")
        servers.keep = bool(story.wrong)
    print(LIMITS)
    print(f"{story.wrong} were not as they should be" if story.wrong else "all as it should be")
    return 1 if story.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
