"""The alarms that the stack must contain, as tables. deploy/alarms.py shows that they ring."""

NAMESPACE = "PaymentWebhooks"
SLOW_MS = {"Stripe": 7500, "FastSpring": 7500, "Paddle": 2500}
MINUTE, FIVE_MINUTES, HOUR = 60, 300, 3600

OWN, LAMBDA = NAMESPACE, "AWS/Lambda"
# Alarm: namespace, metric; rings at so much, in so many periods, of the last so many, of so many seconds.
SUMS = {
    "EventsFailedAlarm": (OWN, "EventsFailed", 1, 1, 75, MINUTE),
    "EventsUnmappedAlarm": (OWN, "EventsUnmapped", 1, 1, 75, MINUTE),
    "TokenRefusedAlarm": (OWN, "CryptlexTokenRefused", 1, 1, 75, MINUTE),
    "SecretWrongAlarm": (OWN, "ProviderWebhooksRejected", 1, 1, 75, MINUTE),
    "ClockAlarm": (OWN, "WebhooksStale", 1, 1, 75, MINUTE),
    "LedgerFailedAlarm": (OWN, "LedgerFailed", 1, 1, 75, MINUTE),
    "NotificationsFailedAlarm": (OWN, "NotificationsFailed", 1, 1, 75, MINUTE),
    "SignaturesRejectedAlarm": (OWN, "WebhooksRejected", 1, 3, 72, FIVE_MINUTES),
    "TurnedAwayAlarm": (OWN, "WebhooksTurnedAway", 1, 3, 72, FIVE_MINUTES),
    "CryptlexThrottledAlarm": (OWN, "CryptlexThrottled", 10, 3, 4, FIVE_MINUTES),
    "ThrottledAlarm": (LAMBDA, "Throttles", 1, 1, 15, MINUTE),
    "CrashedAlarm": (LAMBDA, "Errors", 1, 1, 15, MINUTE),
}
# Whose end is told as well.
TOLD_WHEN_OVER = {name for name in SUMS} - {"EventsUnmappedAlarm", "CrashedAlarm"}
# One of the two topics may be what refuses.
BOTH = {"NotificationsFailedAlarm"}
STACK = {"Name": "Stack", "Value": "stack"}


def alarm(threshold, of, periods, over=True, **more):
    topics = more.pop("topics", ["${Topic}"])
    return {
        "AlarmActions": topics,
        "OKActions": topics if over else None,
        "Threshold": threshold,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": of,
        **more,
    }


def dimensions(namespace, name):
    if namespace == LAMBDA:
        return [{"Name": "FunctionName", "Value": f"stack-{name}"}]
    return [STACK, {"Name": "Provider", "Value": name}]


def measured(identity, namespace, metric, name, period):
    what = {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions(namespace, name)}
    return {
        "Id": identity,
        "ReturnData": False,
        "MetricStat": {"Stat": "Sum", "Period": period, "Metric": what},
    }


def sum_alarm(name, titles):
    namespace, metric, threshold, of, periods, period = SUMS[name]
    parts = [{"Id": "all", "Expression": "SUM(FILL(METRICS(), 0))"}]
    parts += [measured(it.lower(), namespace, metric, it.lower(), period) for it in titles]
    topics = ["${Topic}", "${BusinessTopic}"] if name in BOTH else ["${Topic}"]
    return alarm(threshold, of, periods, name in TOLD_WHEN_OVER, topics=topics, Metrics=parts)


def single(threshold, of, periods, namespace, metric, where, period, over=True, statistic="Sum"):
    return alarm(
        threshold,
        of,
        periods,
        over,
        Namespace=namespace,
        MetricName=metric,
        Dimensions=where,
        Statistic=statistic,
        Period=period,
    )


def queue_alarm(queue, metric, threshold, over=True):
    where = [{"Name": "QueueName", "Value": f"${{{queue}.QueueName}}"}]
    return single(threshold, 1, 3, "AWS/SQS", metric, where, FIVE_MINUTES, over, "Maximum")


def shared(p, titles):
    api = [{"Name": "ApiName", "Value": "stack"}, {"Name": "Stage", "Value": p["StageName"]}]
    return {
        "DeadLettersAlarm": queue_alarm("DeadLetters", "ApproximateNumberOfMessagesVisible", 1, over=False),
        "ApiErrorsAlarm": single(1, 1, 15, "AWS/ApiGateway", "5XXError", api, MINUTE),
        "ApiThrottledAlarm": single(1, 1, 15, OWN, "RequestsThrottled", [STACK], MINUTE),
        **{name: sum_alarm(name, titles) for name in SUMS},
    }


def of_provider(title, p):
    name = title.lower()
    slow = single(SLOW_MS[title], 3, 12, OWN, "WebhookDuration", dimensions(OWN, name), FIVE_MINUTES)
    stopped = "IF(invoked > 0 AND SUM([FILL(answered, 0), invoked * 0]) < 1, 1, 0)"
    alarms = {
        f"{title}QueueAlarm": queue_alarm(f"{title}Queue", "ApproximateAgeOfOldestMessage", 600),
        f"{title}SlowAlarm": slow | {"Statistic": None, "ExtendedStatistic": "p99"},
        f"{title}MetricsStoppedAlarm": alarm(
            1,
            2,
            24,
            Metrics=[
                {"Id": "all", "Expression": stopped},
                measured("invoked", LAMBDA, "Invocations", name, HOUR),
                measured("answered", OWN, "InvocationsAnswered", name, HOUR),
            ],
        ),
    }
    if p["SilenceHours"]:
        alarms[f"{title}SilenceAlarm"] = alarm(
            1,
            None,
            p["SilenceHours"],
            ComparisonOperator="LessThanThreshold",
            TreatMissingData="breaching",
            Metrics=[
                {"Id": "all", "Expression": "FILL(events, 0)"},
                measured("events", OWN, "EventsReceived", name, HOUR),
            ],
        )
    return alarms
