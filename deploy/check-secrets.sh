#!/usr/bin/env bash
# Fails before anything is deployed if a secret lacks a name, and says which. Prints no value.
set -euo pipefail

: "${PLATFORM:?all, stripe, fastspring or paddle}" "${REGION:?an AWS region}"
case "$PLATFORM" in
  all) providers=(stripe fastspring paddle) ;;
  *) providers=("$PLATFORM") ;;
esac

missing=0
for provider in "${providers[@]}"; do
  upper=$(tr '[:lower:]' '[:upper:]' <<<"$provider")
  arn_variable="${upper}_SECRET_ARN"
  arn=${!arn_variable:-}
  if [[ -z "$arn" ]]; then
    echo "$provider: $arn_variable is not set, so the stack has an empty secret for you to fill in; /health is 503 until then"
    continue
  fi
  if ! value=$(aws secretsmanager get-secret-value --region "$REGION" --secret-id "$arn" --query SecretString --output text); then
    echo "$provider: the secret $arn cannot be read: it needs secretsmanager:GetSecretValue" >&2
    missing=1
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
