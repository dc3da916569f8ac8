#!/usr/bin/env bash
# Asks /health of every function that was deployed. A secret that the stack made and that is still empty is reported, and
# the deployment does not fail. A secret that was given must be readable and complete.
set -euo pipefail

: "${REGION:?an AWS region}"
STACK=${STACK:-payment-webhooks}
described() {
  aws cloudformation describe-stacks --region "$REGION" --stack-name "$STACK" --query "$1" --output text
}
urls=$(described "Stacks[0].Outputs[?ends_with(OutputKey, 'WebhookUrl')].OutputValue")
if [[ -z "$urls" || "$urls" == None ]]; then
  echo "the stack $STACK has no URL" >&2
  exit 1
fi
# The ARNs that were given, each with the name of its parameter.
parameters=$(described 'Stacks[0].Parameters[].[ParameterKey,ParameterValue]')
given=$(awk -F '\t' '$1 ~ /SecretArn$/ && $2 != "" { print tolower($1) }' <<<"$parameters")

# Whether a function waits for nothing but its secret to be filled in: all of it is missing, and nothing else is wrong.
only_waits() {
  python3 -c '
import json, sys
try:
    health = json.load(sys.stdin)
    waits = health.get("status") == "not configured"
    problems = [str(it) for it in health.get("problems", [])]
    missing = [str(it) for it in health.get("missing", [])]
except (ValueError, AttributeError, TypeError):
    sys.exit(1)
secret = {"CRYPTLEX_ACCESS_TOKEN", "CRYPTLEX_WEB_API_BASE_URL"}
others = set(missing) - secret
is_all = secret <= set(missing) and len(others) == 1 and others.pop().endswith("_WEBHOOK_SECRET")
are_missing = all(it.endswith(" was not found in environment variables.") for it in problems)
sys.exit(0 if waits and is_all and are_missing else 1)
'
}

failed=0
for url in $urls; do
  provider=${url##*/}
  health="${url%/webhooks/*}/$provider/health"
  body=$(mktemp)
  status=$(curl --silent --show-error --max-time 20 --output "$body" --write-out '%{http_code}' "$health") || status=000
  echo "$health: $status $(cat "$body")"
  if [[ "$status" == 200 ]]; then
    :
  elif ! only_waits <"$body"; then
    failed=1
  elif grep -qx "${provider}secretarn" <<<"$given"; then
    echo "$provider: the secret that was given for it lacks what the function needs" >&2
    failed=1
  fi
  rm -f "$body"
done
exit "$failed"
