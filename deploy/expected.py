"""What must stand in the stack, as tables: for parameters `p`, every resource by its name and what counts of its properties.

References are written as deploy/stack.py does. A table may leave out what does not count; lists are complete.
"""

import expected_alarms

# The routes in addition to /webhooks/<provider> and /<provider>/health, for those who ask for them.
VERSIONS = {"Stripe": ["v1", "v2"], "FastSpring": ["v1"], "Paddle": ["v1"]}
NAMES = [title.lower() for title in VERSIONS]
# crates/webhook-core/tests/it/template.rs compares these, metrics and calls of AWS with the source.
KEY, EXPIRES = "key", "expires"

FUNCTION_TIMEOUT = 60
FOURTEEN_DAYS = 14 * 24 * 3600

# What the template must refuse, and by how many assertions.
REFUSED = [
    ({"PaymentPlatform": "paddle", "StripeSecretArn": "arn"}, 1),
    ({"PaymentPlatform": "paddle", "CryptlexProductId": "product"}, 1),
    ({"PaymentPlatform": "stripe", "FastSpringSecretArn": "arn"}, 1),
    ({"PaymentPlatform": "stripe", "PaddleSecretArn": "arn"}, 1),
    ({"PaymentPlatform": "fastspring", "StripeSecretArn": "arn", "PaddleSecretArn": "arn"}, 2),
    ({"EnableWaf": "false", "WafAddresses": "203.0.113.0/24"}, 1),
]


# Where alarms are heard: each set of providers, another stage, and silence at its limits.
ALARMS = [
    *({"PaymentPlatform": platform} for platform in ["all", *NAMES]),
    {"PaymentPlatform": "stripe", "StageName": "prod", "SilenceHours": 0},
    {"PaymentPlatform": "paddle", "SilenceHours": 2},
    {"PaymentPlatform": "fastspring", "SilenceHours": 168},
]


def choices():
    """Every platform, with defaults and with everything given, and each of these on top."""
    others = [
        {},
        {"VersionPaths": "v1"},
        {"VersionPaths": "v2"},
        {"AlarmEmail": "ops@example.com", "BusinessEmail": ""},
        {"AlarmEmail": "", "BusinessEmail": "sales@example.com"},
        {"SecretsKmsKeyArn": "arn-of-key"},
        {"EnableWaf": "true"},
        {"EnableWaf": "true", "WafAddresses": "203.0.113.0/24,198.51.100.0/24"},
    ]
    for platform in ["all", *NAMES]:
        for given in ({}, everything(platform)):
            for other in others:
                yield {"PaymentPlatform": platform} | given | other


def everything(platform):
    given = {
        "Architecture": "x86_64",
        "StageName": "prod",
        "VersionPaths": "v1,v2",
        "LedgerTableName": "kept",
        "SecretsKmsKeyArn": "arn-of-key",
        "WebhookAddresses": "203.0.113.7,198.51.100.0/24",
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
        "BusinessEmail": "sales@example.com",
        "SilenceHours": 0,
        "LogRetentionDays": 60,
        "ManageApiGatewayLogging": "false",
        "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/stack-boundary",
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


def ledger(p):
    """The name of the table, and its ARN."""
    name = p["LedgerTableName"]
    if not name:
        return "${Ledger}", "${Ledger.Arn}"
    return name, f"arn:aws:dynamodb:eu-central-1:123456789012:table/{name}"


def topic_policy(topic):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
    }
    return {"Topics": [topic], "PolicyDocument": {"Statement": [statement]}}


def throttle(method, path, rate, burst):
    return {
        "ResourcePath": path,
        "HttpMethod": method,
        "ThrottlingRateLimit": rate,
        "ThrottlingBurstLimit": burst,
        "MetricsEnabled": False,
        "DataTraceEnabled": False,
    }


def throttles(p):
    """Of each webhook path, and the lowest of the rest."""
    found = [throttle("*", "/*", 2, 10)]
    for title in deployed(p["PaymentPlatform"]):
        for method, path in routes(title, p):
            if method == "post":
                encoded = "/~1" + path[1:].replace("/", "~1")
                found.append(throttle("POST", encoded, p["ThrottleRate"], p["ThrottleBurst"]))
    return found


def resource_policy(p):
    everybody = {"Principal": "*", "Action": "execute-api:Invoke"}
    statements = [{"Effect": "Allow", "Resource": "execute-api:/*"} | everybody]
    if p["WebhookAddresses"]:
        others = {"NotIpAddress": {"aws:SourceIp": p["WebhookAddresses"].split(",")}}
        webhooks = f"execute-api:/{p['StageName']}/POST/*"
        statements.append({"Effect": "Deny", "Resource": webhooks, "Condition": others} | everybody)
    return {"Version": "2012-10-17", "Statement": statements}


def shared(p):
    return {
        "Topic": {},
        "TopicPolicy": topic_policy("${Topic}"),
        "BusinessTopic": {},
        "BusinessTopicPolicy": topic_policy("${BusinessTopic}"),
        "DeadLetters": {"MessageRetentionPeriod": FOURTEEN_DAYS, "SqsManagedSseEnabled": True},
        "Api": {
            "Name": "stack",
            "Body": {"paths": paths(p), "x-amazon-apigateway-policy": resource_policy(p)},
        },
        "ApiStage": {
            "RestApiId": "${Api}",
            "StageName": p["StageName"],
            "AccessLogSetting": {"DestinationArn": "${AccessLog.Arn}"},
            "MethodSettings": throttles(p),
        },
        "AccessLog": log("apigateway/stack", p),
        "ThrottledRequests": {
            "LogGroupName": "${AccessLog}",
            "FilterPattern": '{ $.responseType = "THROTTLED" && $.method = "POST" }',
            "MetricTransformations": [
                {
                    "MetricNamespace": expected_alarms.NAMESPACE,
                    "MetricName": "RequestsThrottled",
                    "MetricValue": "1",
                    "Unit": "Count",
                    "Dimensions": [{"Key": "Stack", "Value": "$.stack"}],
                }
            ],
        },
        **expected_alarms.shared(p, deployed(p["PaymentPlatform"])),
    }


def optional(p):
    table = {
        "Ledger": {
            "AttributeDefinitions": [{"AttributeName": KEY, "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": KEY, "KeyType": "HASH"}],
            "TimeToLiveSpecification": {"AttributeName": EXPIRES, "Enabled": True},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "SSESpecification": {"SSEEnabled": True},
            "BillingMode": "PAY_PER_REQUEST",
        }
    }
    logging = {
        "ApiGatewayLoggingRole": {
            "AssumeRolePolicyDocument": {"Statement": role("apigateway")},
            "PermissionsBoundary": p["PermissionsBoundaryArn"] or None,
            "ManagedPolicyArns": [
                "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
            ],
        },
        "ApiGatewayLogging": {"CloudWatchRoleArn": "${ApiGatewayLoggingRole.Arn}"},
    }
    email = {"TopicSubscription": {"TopicArn": "${Topic}", "Protocol": "email", "Endpoint": p["AlarmEmail"]}}
    business = p["BusinessEmail"] or p["AlarmEmail"]
    told = {"TopicArn": "${BusinessTopic}", "Protocol": "email", "Endpoint": business}
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
        **({} if p["LedgerTableName"] else table),
        **(email if p["AlarmEmail"] else {}),
        **({"BusinessSubscription": told} if business else {}),
        **(acl if p["EnableWaf"] == "true" else {}),
        **(allowed if addresses else {}),
    }


def secret_of(title, p):
    return p[f"{title}SecretArn"] or f"${{{title}Secret}}"


def of_provider(title, p):
    name = title.lower()
    secret = secret_of(title, p)
    table, table_arn = ledger(p)
    key = p["SecretsKmsKeyArn"]
    grants = [
        (["logs:CreateLogStream", "logs:PutLogEvents"], f"${{{title}Log.Arn}}"),
        ("secretsmanager:GetSecretValue", secret),
        (["dynamodb:BatchGetItem", "dynamodb:UpdateItem"], table_arn),
        ("sns:Publish", ["${Topic}", "${BusinessTopic}"]),
        (
            ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            f"${{{title}Queue.Arn}}",
        ),
    ]
    statements = [{"Effect": "Allow", "Action": action, "Resource": on} for action, on in grants]
    if key:
        # Of that service alone: the key may guard other things too.
        via = {"StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}}
        decrypt = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": via}
        statements.insert(2, decrypt)
    variables = {
        "SECRETS_ID": secret,
        "STACK_NAME": "stack",
        "LEDGER_TABLE": table,
        "OVERFLOW_QUEUE_URL": f"${{{title}Queue}}",
        "NOTIFICATION_TOPIC_ARN": "${Topic}",
        "BUSINESS_TOPIC_ARN": "${BusinessTopic}",
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
            "PermissionsBoundary": p["PermissionsBoundaryArn"] or None,
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
        f"{title}Permission": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": f"${{{title}Function}}",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": f"arn:aws:execute-api:eu-central-1:123456789012:${{Api}}/{p['StageName']}/*",
        },
        **expected_alarms.of_provider(title, p),
    }
    if not p[f"{title}SecretArn"]:
        resources[f"{title}Secret"] = {"SecretString": "{}", "KmsKeyId": key or None}
    return resources


def routes(title, p):
    name = title.lower()
    asked = [version for version in VERSIONS[title] if version in p["VersionPaths"].split(",")]
    versions = [("post", f"/{name}/{version}") for version in asked]
    return [("post", f"/webhooks/{name}"), *versions, ("get", f"/{name}/health")]


def paths(p):
    """The whole API: a route more or less is a defect."""
    found = {}
    for title in deployed(p["PaymentPlatform"]):
        function = f"${{{title}Function.Arn}}"
        uri = f"arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{function}/invocations"
        integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}
        for method, path in routes(title, p):
            found[path] = {method: {"x-amazon-apigateway-integration": integration}}
    return found


def resources(p):
    found = shared(p) | optional(p)
    for title in deployed(p["PaymentPlatform"]):
        found |= of_provider(title, p)
    return found


def outputs(p):
    found = {
        "LedgerTable": ledger(p)[0],
        "DeadLetterQueueUrl": "${DeadLetters}",
        "TopicArn": "${Topic}",
        "BusinessTopicArn": "${BusinessTopic}",
    }
    for title in deployed(p["PaymentPlatform"]):
        api = f"https://${{Api}}.execute-api.eu-central-1.amazonaws.com/{p['StageName']}"
        found[f"{title}WebhookUrl"] = f"{api}/webhooks/{title.lower()}"
        found[f"{title}SecretArn"] = secret_of(title, p)
    return found


# What is not deleted with the stack, and whether it is when the deployment that made it fails.
KEPT = {
    "Ledger": "RetainExceptOnCreate",
    "DeadLetters": "RetainExceptOnCreate",
    "StripeQueue": "RetainExceptOnCreate",
    "FastSpringQueue": "RetainExceptOnCreate",
    "PaddleQueue": "RetainExceptOnCreate",
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
