#!/usr/bin/env bash
# Fails before anything is deployed if a secret cannot be read or lacks a name, and says which. Prints no value. The stack's
# own secret may be empty, as the stack made it: somebody fills it in later.
set -euo pipefail

: "${PLATFORM:?all, stripe, fastspring or paddle}" "${REGION:?an AWS region}"
STACK=${STACK:-payment-webhooks}
case "$PLATFORM" in
  all) providers=(Stripe FastSpring Paddle) ;;
  stripe) providers=(Stripe) ;;
  fastspring) providers=(FastSpring) ;;
  paddle) providers=(Paddle) ;;
  *) echo "PLATFORM=$PLATFORM must be all, stripe, fastspring or paddle" >&2 && exit 1 ;;
esac

# Where no secret is named, the stack has one: its own, or what was named before.
described() {
  aws cloudformation describe-stacks --region "$REGION" --stack-name "$STACK" --query "$1" --output text
}
if outputs=$(described 'Stacks[0].Outputs[].[OutputKey,OutputValue]' 2>&1); then
  parameters=$(described 'Stacks[0].Parameters[].[ParameterKey,ParameterValue]')
else
  [[ "$outputs" == *"does not exist"* ]] || { echo "$outputs" >&2 && exit 1; }
  outputs=""
  parameters=""
fi
value_of() { awk -F '\t' -v name="$1" '$1 == name { print $2 }'; }

missing=0
for provider in "${providers[@]}"; do
  upper=$(tr '[:lower:]' '[:upper:]' <<<"$provider")
  variable="${upper}_SECRET_ARN"
  given=${!variable:-$(value_of "${provider}SecretArn" <<<"$parameters")}
  arn=${given:-$(value_of "${provider}SecretArn" <<<"$outputs")}
  if [[ -z "$arn" ]]; then
    echo "$provider: $variable is not set, so the stack gets an empty secret for you to fill in; /health is 503 until then"
    continue
  fi
  if ! value=$(aws secretsmanager get-secret-value --region "$REGION" --secret-id "$arn" --query SecretString --output text); then
    echo "$provider: the secret $arn cannot be read: it needs secretsmanager:GetSecretValue" >&2
    missing=1
    continue
  fi
  if [[ -z "$given" && "$value" == "{}" ]]; then
    echo "$provider: the secret $arn is still empty, for you to fill in; /health is 503 until then"
    continue
  fi
  for name in "${upper}_WEBHOOK_SECRET" CRYPTLEX_ACCESS_TOKEN CRYPTLEX_WEB_API_BASE_URL; do
    if ! NAME="$name" python3 -c '
import json, os, sys
value = json.load(sys.stdin)
sys.exit(0 if isinstance(value, dict) and str(value.get(os.environ["NAME"], "")).strip() else 1)
' <<<"$value" 2>/dev/null; then
      echo "$provider: $name is missing in the secret $arn, which must be a JSON object" >&2
      missing=1
    fi
  done
done
exit "$missing"
