"""What must stand in the stack, as tables: for parameters `p`, every resource by its name and what counts of its properties.

References are written as deploy/stack.py does. A table may leave out what does not count; lists are complete.
"""

# The routes beside /webhooks/<provider> and /<provider>/health.
VERSIONS = {"Stripe": ["v1", "v2"], "FastSpring": ["v1"], "Paddle": ["v1"]}
NAMES = [title.lower() for title in VERSIONS]
# crates/webhook-core/tests/it/template.rs compares these, metrics and calls of AWS with the source.
NAMESPACE = "PaymentWebhooks"
KEY, EXPIRES = "key", "expires"
SLOW_MS = {"Stripe": 7500, "FastSpring": 7500, "Paddle": 2500}

FUNCTION_TIMEOUT = 60
FOURTEEN_DAYS = 14 * 24 * 3600

# Alarm: namespace, metric, dimension; rings at so much, in so many periods of five minutes, of the last so many.
EACH_PROVIDER = (NAMESPACE, "Provider", "{name}")
EACH_FUNCTION = ("AWS/Lambda", "FunctionName", "stack-{name}")
SUMS = {
    "EventsFailedAlarm": (EACH_PROVIDER, "EventsFailed", 1, 1, 15),
    "EventsUnmappedAlarm": (EACH_PROVIDER, "EventsUnmapped", 1, 1, 15),
    "TokenRefusedAlarm": (EACH_PROVIDER, "CryptlexTokenRefused", 1, 1, 1),
    "SignaturesRejectedAlarm": (EACH_PROVIDER, "WebhooksRejected", 1, 3, 72),
    "TurnedAwayAlarm": (EACH_PROVIDER, "WebhooksTurnedAway", 1, 3, 72),
    "CryptlexThrottledAlarm": (EACH_PROVIDER, "CryptlexThrottled", 10, 3, 3),
    "ThrottledAlarm": (EACH_FUNCTION, "Throttles", 1, 1, 1),
    "CrashedAlarm": (EACH_FUNCTION, "Errors", 1, 1, 1),
}

# What the template must refuse, and by how many assertions.
REFUSED = [
    ({"PaymentPlatform": "paddle", "StripeSecretArn": "arn"}, 1),
    ({"PaymentPlatform": "paddle", "CryptlexProductId": "product"}, 1),
    ({"PaymentPlatform": "stripe", "FastSpringSecretArn": "arn"}, 1),
    ({"PaymentPlatform": "stripe", "PaddleSecretArn": "arn"}, 1),
    ({"PaymentPlatform": "fastspring", "StripeSecretArn": "arn", "PaddleSecretArn": "arn"}, 2),
    ({"EnableWaf": "false", "WafAddresses": "203.0.113.0/24"}, 1),
]


def choices():
    """Every platform, with defaults and with everything given, without a web ACL, with one, and with its addresses."""
    acls = [
        {},
        {"EnableWaf": "true"},
        {"EnableWaf": "true", "WafAddresses": "203.0.113.0/24,198.51.100.0/24"},
    ]
    for platform in ["all", *NAMES]:
        for given in ({}, everything(platform)):
            for acl in acls:
                yield {"PaymentPlatform": platform} | given | acl


def everything(platform):
    given = {
        "Architecture": "x86_64",
        "StageName": "prod",
        "CancellationAction": "suspend",
        "MappingsQuantity": "one",
        "GraceDays": 7,
        "ExpiryLeewayHours": 6,
        "RefundAction": "revoke",
        "Unmapped": "accept",
        "PauseCollection": "suspend",
        "TestEvents": "refuse",
        "EventRetentionDays": 30,
        "IpAllowlist": "provider",
        "RequestsPer5s": 20,
        "ThrottleRate": 40,
        "ThrottleBurst": 80,
        "AlarmEmail": "ops@example.com",
        "LogRetentionDays": 60,
        "ManageApiGatewayLogging": "false",
    }
    if platform in ("all", "stripe"):
        given["CryptlexProductId"] = "product"
    return given | {f"{title}SecretArn": f"arn-of-{title}" for title in deployed(platform)}


def deployed(platform):
    return [title for title in VERSIONS if platform in ("all", title.lower())]


def role(service):
    return [{"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}]


def log(name, p):
    return {"LogGroupName": f"/aws/{name}", "RetentionInDays": p["LogRetentionDays"]}


def alarm(threshold, of, periods, **more):
    return {
        "AlarmActions": ["${Topic}"],
        "Threshold": threshold,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
        "EvaluationPeriods": periods,
        **({} if of == periods else {"DatapointsToAlarm": of}),
        **more,
    }


def sum_alarm(where, metric, threshold, of, periods):
    namespace, dimension, value = where
    sums = [{"Id": "all", "Expression": "SUM([FILL(s, 0), FILL(f, 0), FILL(p, 0)])"}]
    for name in NAMES:
        dimensions = [{"Name": dimension, "Value": value.format(name=name)}]
        it = {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions}
        stat = {"Stat": "Sum", "Period": 300, "Metric": it}
        sums.append({"Id": name[0], "ReturnData": False, "MetricStat": stat})
    return alarm(threshold, of, periods, Metrics=sums)


def queue_alarm(queue, metric, threshold):
    return alarm(
        threshold,
        1,
        1,
        Namespace="AWS/SQS",
        MetricName=metric,
        Dimensions=[{"Name": "QueueName", "Value": f"${{{queue}.QueueName}}"}],
        Statistic="Maximum",
        Period=300,
    )


def shared(p):
    methods = {
        "ResourcePath": "/*",
        "HttpMethod": "*",
        "ThrottlingRateLimit": p["ThrottleRate"],
        "ThrottlingBurstLimit": p["ThrottleBurst"],
        "MetricsEnabled": True,
        "DataTraceEnabled": False,
    }
    return {
        "Ledger": {
            "AttributeDefinitions": [{"AttributeName": KEY, "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": KEY, "KeyType": "HASH"}],
            "TimeToLiveSpecification": {"AttributeName": EXPIRES, "Enabled": True},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "SSESpecification": {"SSEEnabled": True},
            "BillingMode": "PAY_PER_REQUEST",
        },
        "Topic": {},
        "TopicPolicy": {
            "Topics": ["${Topic}"],
            "PolicyDocument": {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "cloudwatch.amazonaws.com"},
                        "Action": "sns:Publish",
                        "Resource": "${Topic}",
                        "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
                    }
                ]
            },
        },
        "DeadLetters": {"MessageRetentionPeriod": FOURTEEN_DAYS, "SqsManagedSseEnabled": True},
        "DeadLettersAlarm": queue_alarm("DeadLetters", "ApproximateNumberOfMessagesVisible", 1),
        "Api": {"Body": {"paths": paths(p)}},
        "ApiStage": {
            "RestApiId": "${Api}",
            "StageName": p["StageName"],
            "AccessLogSetting": {"DestinationArn": "${AccessLog.Arn}"},
            "MethodSettings": [methods],
        },
        "AccessLog": log("apigateway/stack", p),
        **{name: sum_alarm(*it) for name, it in SUMS.items()},
    }


def optional(p):
    logging = {
        "ApiGatewayLoggingRole": {
            "AssumeRolePolicyDocument": {"Statement": role("apigateway")},
            "ManagedPolicyArns": [
                "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
            ],
        },
        "ApiGatewayLogging": {"CloudWatchRoleArn": "${ApiGatewayLoggingRole.Arn}"},
    }
    email = {"TopicSubscription": {"TopicArn": "${Topic}", "Protocol": "email", "Endpoint": p["AlarmEmail"]}}
    rate = {"Limit": 1000, "EvaluationWindowSec": 60, "AggregateKeyType": "IP"}
    others = {"NotStatement": {"Statement": {"IPSetReferenceStatement": {"Arn": "${WafAllowed.Arn}"}}}}
    rules = [
        {"Name": "rate", "Priority": 0, "Action": {"Block": {}}, "Statement": {"RateBasedStatement": rate}},
        {"Name": "addresses", "Priority": 1, "Action": {"Block": {}}, "Statement": others},
    ]
    addresses = p["WafAddresses"].split(",") if p["WafAddresses"] else []
    stage = f"arn:aws:apigateway:eu-central-1::/restapis/${{Api}}/stages/{p['StageName']}"
    acl = {
        "Waf": {
            "Scope": "REGIONAL",
            "DefaultAction": {"Allow": {}},
            "Rules": rules if addresses else rules[:1],
        },
        "WafAssociation": {"WebACLArn": "${Waf.Arn}", "ResourceArn": stage},
    }
    allowed = {"WafAllowed": {"Scope": "REGIONAL", "IPAddressVersion": "IPV4", "Addresses": addresses}}
    return {
        **(logging if p["ManageApiGatewayLogging"] == "true" else {}),
        **(email if p["AlarmEmail"] else {}),
        **(acl if p["EnableWaf"] == "true" else {}),
        **(allowed if addresses else {}),
    }


def secret_of(title, p):
    return p[f"{title}SecretArn"] or f"${{{title}Secret}}"


def of_provider(title, p):
    name = title.lower()
    secret = secret_of(title, p)
    grants = [
        (["logs:CreateLogStream", "logs:PutLogEvents"], f"${{{title}Log.Arn}}"),
        ("secretsmanager:GetSecretValue", secret),
        (["dynamodb:BatchGetItem", "dynamodb:UpdateItem"], "${Ledger.Arn}"),
        ("sns:Publish", "${Topic}"),
        (
            ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            f"${{{title}Queue.Arn}}",
        ),
    ]
    statements = [{"Effect": "Allow", "Action": action, "Resource": on} for action, on in grants]
    variables = {
        "SECRETS_ID": secret,
        "LEDGER_TABLE": "${Ledger}",
        "OVERFLOW_QUEUE_URL": f"${{{title}Queue}}",
        "NOTIFICATION_TOPIC_ARN": "${Topic}",
        "EVENT_RETENTION_DAYS": p["EventRetentionDays"],
        "CRYPTLEX_CANCELLATION_ACTION": p["CancellationAction"],
        "CRYPTLEX_MAPPINGS_QUANTITY": p["MappingsQuantity"],
        "CRYPTLEX_REQUESTS_PER_5S": p["RequestsPer5s"],
        "GRACE_DAYS": p["GraceDays"],
        "EXPIRY_LEEWAY_HOURS": p["ExpiryLeewayHours"],
        "REFUND_ACTION": p["RefundAction"],
        "UNMAPPED": p["Unmapped"],
        "PAUSE_COLLECTION": p["PauseCollection"],
        "TEST_EVENTS": p["TestEvents"],
        "IP_ALLOWLIST": p["IpAllowlist"],
        **({"CRYPTLEX_PRODUCT_ID": p["CryptlexProductId"]} if title == "Stripe" else {}),
    }
    resources = {
        f"{title}Log": log(f"lambda/stack-{name}", p),
        f"{title}Role": {
            "AssumeRolePolicyDocument": {"Statement": role("lambda")},
            "Policies": [
                {
                    "PolicyName": "webhook",
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
                }
            ],
        },
        f"{title}Queue": {
            "MessageRetentionPeriod": FOURTEEN_DAYS,
            "VisibilityTimeout": 6 * FUNCTION_TIMEOUT,
            "SqsManagedSseEnabled": True,
            "RedrivePolicy": {"deadLetterTargetArn": "${DeadLetters.Arn}", "maxReceiveCount": 100},
        },
        f"{title}QueueReader": {
            "FunctionName": f"${{{title}Function}}",
            "EventSourceArn": f"${{{title}Queue.Arn}}",
            "BatchSize": 1,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": 2},
        },
        f"{title}Function": {
            "FunctionName": f"stack-{name}",
            "Handler": "bootstrap",
            "Runtime": "provided.al2023",
            "Architectures": [p["Architecture"]],
            "MemorySize": 256,
            "Timeout": FUNCTION_TIMEOUT,
            "Role": f"${{{title}Role.Arn}}",
            "LoggingConfig": {"LogGroup": f"${{{title}Log}}"},
            "Environment": {"Variables": variables},
        },
        f"{title}QueueAlarm": queue_alarm(f"{title}Queue", "ApproximateAgeOfOldestMessage", 600),
        f"{title}SlowAlarm": alarm(
            SLOW_MS[title],
            3,
            12,
            Namespace=NAMESPACE,
            MetricName="WebhookDuration",
            Dimensions=[{"Name": "Provider", "Value": name}],
            ExtendedStatistic="p99",
            Period=300,
        ),
    }
    for event, (method, path) in routes(title).items():
        resources[f"{title}Function{event}PermissionStage"] = {
            "Action": "lambda:InvokeFunction",
            "FunctionName": f"${{{title}Function}}",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": f"arn:aws:execute-api:eu-central-1:123456789012:${{Api}}/*/{method.upper()}{path}",
        }
    if not p[f"{title}SecretArn"]:
        resources[f"{title}Secret"] = {"SecretString": "{}"}
    return resources


def routes(title):
    name = title.lower()
    return {
        "Lifecycle": ("post", f"/webhooks/{name}"),
        "Health": ("get", f"/{name}/health"),
        **{version.upper(): ("post", f"/{name}/{version}") for version in VERSIONS[title]},
    }


def paths(p):
    """The whole API: a route more or less is a defect."""
    found = {}
    for title in deployed(p["PaymentPlatform"]):
        function = f"${{{title}Function.Arn}}"
        uri = f"arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{function}/invocations"
        integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}
        for method, path in routes(title).values():
            found[path] = {method: {"x-amazon-apigateway-integration": integration}}
    return found


def resources(p):
    found = shared(p) | optional(p)
    for title in deployed(p["PaymentPlatform"]):
        found |= of_provider(title, p)
    return found


def outputs(p):
    found = {"LedgerTable": "${Ledger}", "DeadLetterQueueUrl": "${DeadLetters}", "TopicArn": "${Topic}"}
    for title in deployed(p["PaymentPlatform"]):
        api = f"https://${{Api}}.execute-api.eu-central-1.amazonaws.com/{p['StageName']}"
        found[f"{title}WebhookUrl"] = f"{api}/webhooks/{title.lower()}"
        found[f"{title}SecretArn"] = secret_of(title, p)
    return found


# What is not deleted with the stack, and whether it is when the deployment that made it fails.
KEPT = {
    "Ledger": "RetainExceptOnCreate",
    "StripeSecret": "RetainExceptOnCreate",
    "FastSpringSecret": "RetainExceptOnCreate",
    "PaddleSecret": "RetainExceptOnCreate",
    "ApiGatewayLoggingRole": "Retain",
    "ApiGatewayLogging": "Retain",
}
# What must stand before what. A dependency of a resource that is not made counts for nothing.
ORDER = [
    ("ApiStage", "ApiGatewayLogging"),
    ("ApiGatewayLogging", "Api"),
    ("WafAssociation", "ApiStage"),
    ("Api", "StripeFunction"),
]
