"""Shows of an expanded template that its alarms ring when they must, and only then.

What the functions count is in deploy/printed/, as they print it. What AWS counts itself is made up here.
"""

from itertools import product
from pathlib import Path

from cloudwatch import Alarm, Metrics

PRINTED = Path(__file__).resolve().parent / "printed"
MINUTE, HOUR, DAY = 60, 3600, 86400
IN_TIME = 5 * MINUTE
# Custom metrics come through the log. AWS's own are late as well.
DELAYS = (0, MINUTE, 2 * MINUTE)
# Of the event after the start of a minute, and of five.
OFFSETS = (0, 59, 150)
# CloudWatch looks once a minute: this long after the event for the first time.
PHASES = (1, 59)
# A multiple of every period, and late enough to look back for a week.
START = 10 * DAY
ROOM = {False: DAY, True: 7 * DAY}

# What the functions print: the alarms that must ring within five minutes, and those that may.
SCENARIOS = {
    "token-expired": ({"TokenRefusedAlarm"}, {"EventsFailedAlarm"}),
    "secret-wrong": ({"SecretWrongAlarm"}, set()),
    "cryptlex-down": ({"EventsFailedAlarm"}, set()),
    "unmapped": ({"EventsUnmappedAlarm"}, {"EventsFailedAlarm"}),
    # A table that is throttled prints the same.
    "table-gone": ({"LedgerFailedAlarm"}, {"EventsFailedAlarm"}),
    "sns-refused": ({"NotificationsFailedAlarm"}, set()),
    "clock-wrong": ({"ClockAlarm"}, set()),
}
THROTTLED = {"httpMethod": "POST", "status": "429", "error.responseType": "THROTTLED"}
# Requests as API Gateway logs them, and the alarm that must ring.
REQUESTS = {
    "a webhook that API Gateway throttles": (THROTTLED, {"ApiThrottledAlarm"}),
    "a health call that API Gateway throttles": (THROTTLED | {"httpMethod": "GET"}, set()),
    "a function's own 429": ({"httpMethod": "POST", "status": "429"}, set()),
    "an address that is not let in": (THROTTLED | {"status": "403", "error.responseType": "ACCESS_DENIED"}, set()),
}
# What AWS counts, and the alarm that must ring.
BY_AWS = {
    "API Gateway answers 5xx": ("AWS/ApiGateway", "5XXError", {"ApiErrorsAlarm"}),
    "a bad deployment": ("AWS/Lambda", "Errors", {"CrashedAlarm"}),
    "Lambda throttles": ("AWS/Lambda", "Throttles", {"ThrottledAlarm"}),
}


class Site:
    """A deployed stack with the function of one provider."""

    def __init__(self, stack, title):
        self.resources, self.title, self.name = stack.resources, title, title.lower()
        self.alarms = {
            name: Alarm(it["Properties"])
            for name, it in stack.resources.items()
            if it["Type"] == "AWS::CloudWatch::Alarm"
        }

    def properties(self, name):
        return self.resources[name]["Properties"]

    def dimensions(self, namespace, queue=None):
        """Under which AWS counts what this stack does."""
        if namespace == "AWS/Lambda":
            return {"FunctionName": self.properties(f"{self.title}Function")["FunctionName"]}
        if namespace == "AWS/SQS":
            return {"QueueName": f"${{{queue}.QueueName}}"}
        return {"ApiName": self.properties("Api")["Name"], "Stage": self.properties("ApiStage")["StageName"]}

    def aws(self, metrics, namespace, name, at, delay, value, queue=None):
        metrics.add(namespace, name, self.dimensions(namespace, queue), at, delay, value)

    def print(self, metrics, text, at, delay):
        metrics.printed(text.replace('"stripe"', f'"{self.name}"'), at, delay)

    def count(self, metrics, at, delay, **counts):
        dimensions = {"Stack": "stack", "Provider": self.name}
        for name, value in counts.items():
            metrics.add("PaymentWebhooks", name, dimensions, at, delay, value)

    def ringing(self, metrics, now, names=None):
        names = names or [name for name, alarm in self.alarms.items() if alarm.looks_at(metrics)]
        return {name for name in names if self.alarms[name].rings(metrics, now)}

    def first_ring(self, name, metrics, since, until, step=MINUTE):
        """Seconds after `since`, by clocks that no period is aligned to; None if it does not ring."""
        for now in range(since, until + 1, step):
            if name in self.alarms and self.alarms[name].rings(metrics, now):
                return now - since
        return None


def rings_in_time(site, what, feed, must, may=frozenset()):
    """One event, whenever it is in the minute, however late its numbers come, and whenever CloudWatch looks."""
    for offset, delay, phase in product(OFFSETS, DELAYS, PHASES):
        at, metrics = START + offset, Metrics()
        feed(metrics, at, delay)
        rung = set()
        for now in range(at + phase, at + IN_TIME + 1, MINUTE):
            rung |= site.ringing(metrics, now)
        # Without traffic silence rings: not this event's doing.
        rung -= {name for name in rung if name.endswith("SilenceAlarm")}
        when = f"{site.title}: {what}, at second {offset}, {delay} seconds late, looked at from second {phase}"
        yield from (f"{when}: {name} does not ring within five minutes" for name in sorted(must - rung))
        yield from (f"{when}: {name} rings" for name in sorted(rung - must - may))


def events_in_time(site):
    for scenario, (must, may) in SCENARIOS.items():
        text = (PRINTED / f"{scenario}.jsonl").read_text()
        yield from rings_in_time(
            site, scenario, lambda metrics, at, delay: site.print(metrics, text, at, delay), must, may
        )
    for what, (context, must) in REQUESTS.items():
        yield from rings_in_time(
            site, what, lambda metrics, at, delay: metrics.logged(site.resources, context, at, delay), must
        )
    for what, (namespace, name, must) in BY_AWS.items():
        yield from rings_in_time(
            site, what, lambda metrics, at, delay: site.aws(metrics, namespace, name, at, delay, 1), must
        )


def delivered(site, metrics, at, delay):
    """A renewal that went well, and what AWS counts of it."""
    counts = {"EventsReceived": 1, "EventsApplied": 1, "InvocationsAnswered": 1, "WebhookDuration": [400.0]}
    site.count(metrics, at, delay, **counts)
    site.count(metrics, at, delay, HealthChecks=1)
    site.aws(metrics, "AWS/Lambda", "Invocations", at, 0, 1)
    for namespace, name in (("AWS/Lambda", "Errors"), ("AWS/Lambda", "Throttles"), ("AWS/ApiGateway", "5XXError")):
        site.aws(metrics, namespace, name, at, delay, 0)
    site.aws(metrics, "AWS/SQS", "ApproximateAgeOfOldestMessage", at, delay, 0, f"{site.title}Queue")
    site.aws(metrics, "AWS/SQS", "ApproximateNumberOfMessagesVisible", at, delay, 0, "DeadLetters")


def is_quiet(site, silence):
    """Quiet operation rings nothing: a busy shop, one event an hour that comes late, and as few events as may be."""
    own = [name for name in site.alarms if not is_of_another(name, site.title)]
    few = max(silence - 1, 1) * HOUR
    for what, every, offset, until, step in (
        ("an event every seven minutes", 7 * MINUTE, 30, 3 * HOUR, MINUTE),
        ("an event at the end of each hour", HOUR, HOUR - 1, 3 * HOUR, MINUTE),
        ("an event within each SilenceHours", few, 59 * MINUTE, 2 * few, 10 * MINUTE),
    ):
        metrics = Metrics()
        # From a week before, or silence has been ringing.
        for place, at in enumerate(range(START - 8 * DAY + offset, START + until, every)):
            delivered(site, metrics, at, DELAYS[place % 3])
        for now in range(START, START + until, step):
            for name in sorted(site.ringing(metrics, now, own)):
                yield f"{site.title}: {what}: {name} rings"
                return


def is_of_another(alarm, title):
    return any(alarm.startswith(it) and it != title for it in ("Stripe", "FastSpring", "Paddle"))


def own_times(site, silence):
    """Alarms that take longer than five minutes: after how many seconds at least and at most, as in docs/operations.md."""
    def told(what, name, metrics, at_least, at_most):
        after = site.first_ring(name, metrics, START, START + at_most)
        if after is None:
            yield f"{site.title}: {what}: {name} does not ring within {at_most} seconds"
        elif after < at_least:
            yield f"{site.title}: {what}: {name} rings after {after} seconds, which is too soon"

    if silence:
        metrics = Metrics()
        for at in range(START - 8 * DAY, START + 1, HOUR):
            delivered(site, metrics, at, 2 * MINUTE)
        at_most = (silence + 1) * HOUR + 5 * MINUTE
        yield from told("silence", f"{site.title}SilenceAlarm", metrics, silence * HOUR, at_most)
    elif f"{site.title}SilenceAlarm" in site.alarms:
        yield f"{site.title}: an alarm looks for silence though SilenceHours is 0"

    # Numbers never came, or came until now.
    for known in (0, DAY):
        metrics = Metrics()
        for at in range(START - known, START + 4 * HOUR, 20 * MINUTE):
            site.aws(metrics, "AWS/Lambda", "Invocations", at, 2 * MINUTE, 1)
            if at < START:
                site.count(metrics, at, 2 * MINUTE, InvocationsAnswered=1)
        yield from told("metrics stop", f"{site.title}MetricsStoppedAlarm", metrics, HOUR, 2 * HOUR + 5 * MINUTE)

    # SQS reports a queue that wakes up as much as 15 minutes late:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    dead, old = Metrics(), Metrics()
    for at in range(START + 15 * MINUTE, START + HOUR, MINUTE):
        site.aws(dead, "AWS/SQS", "ApproximateNumberOfMessagesVisible", at, 2 * MINUTE, 1, "DeadLetters")
    for at in range(START, START + HOUR, MINUTE):
        age = at - START
        site.aws(old, "AWS/SQS", "ApproximateAgeOfOldestMessage", at, 2 * MINUTE, age, f"{site.title}Queue")
    yield from told("a dead letter", "DeadLettersAlarm", dead, 0, 25 * MINUTE)
    yield from told("an old queue", f"{site.title}QueueAlarm", old, 10 * MINUTE, 20 * MINUTE)

    # A stranger on and off, an address that is not let in, a slow provider, a busy Cryptlex.
    for name, count, value in (
        ("SignaturesRejectedAlarm", "WebhooksRejected", 1),
        ("TurnedAwayAlarm", "WebhooksTurnedAway", 1),
        ("CryptlexThrottledAlarm", "CryptlexThrottled", 10),
        (f"{site.title}SlowAlarm", "WebhookDuration", [9000.0]),
    ):
        once, often = Metrics(), Metrics()
        site.count(once, START, 2 * MINUTE, **{count: value})
        for place in range(3):
            site.count(often, START + place * 5 * MINUTE, 2 * MINUTE, **{count: value})
        if site.first_ring(name, once, START, START + HOUR) is not None:
            yield f"{site.title}: {name} rings at a single {count}"
        yield from told(count, name, often, 10 * MINUTE, 20 * MINUTE)


def is_possible(site):
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html, and somebody is told."""
    for name, alarm in site.alarms.items():
        if alarm.periods * alarm.period > ROOM[alarm.period >= HOUR]:
            yield f"{name} looks back further than CloudWatch does"
        if "${Topic}" not in alarm.properties["AlarmActions"]:
            yield f"{name} tells nobody"


def problems(stack, titles, silence):
    if (found := {it.stem for it in PRINTED.iterdir()}) != set(SCENARIOS):
        yield f"{PRINTED.name}: {sorted(found)} are not the scenarios {sorted(SCENARIOS)}"
        return
    for title in titles:
        site = Site(stack, title)
        yield from is_possible(site)
        yield from events_in_time(site)
        yield from own_times(site, silence)
        yield from is_quiet(site, silence)
