#!/usr/bin/env bash
# Asks /health of every function that was deployed. A secret that is still empty is told, and is no failure of the deployment.
set -euo pipefail

: "${REGION:?an AWS region}"
STACK=${STACK:-payment-webhooks}
urls=$(aws cloudformation describe-stacks --region "$REGION" --stack-name "$STACK" \
  --query "Stacks[0].Outputs[?ends_with(OutputKey, 'WebhookUrl')].OutputValue" --output text)
if [[ -z "$urls" || "$urls" == None ]]; then
  echo "the stack $STACK has no URL" >&2
  exit 1
fi
failed=0
for url in $urls; do
  provider=${url##*/}
  health="${url%/webhooks/*}/$provider/health"
  body=$(mktemp)
  status=$(curl --silent --show-error --max-time 20 --output "$body" --write-out '%{http_code}' "$health") || status=000
  echo "$health: $status $(cat "$body")"
  if [[ "$status" != 200 ]] && ! grep -q '"status":"not configured"' "$body"; then
    failed=1
  fi
  rm -f "$body"
done
exit "$failed"
