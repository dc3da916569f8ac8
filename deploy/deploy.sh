#!/usr/bin/env bash
# Deploys what `make sam-build` built. More parameters of template.yaml: PARAMETERS="GraceDays=7 AlarmEmail=ops@example.com"
set -euo pipefail
cd "$(dirname "$0")/.."

: "${REGION:?an AWS region}"
STACK=${STACK:-payment-webhooks}
# A stack that was made for one provider must not grow the others because nobody named it.
overrides=("PaymentPlatform=${PLATFORM:?stripe, fastspring, paddle or all}")
[[ -n "${STRIPE_SECRET_ARN:-}" ]] && overrides+=("StripeSecretArn=$STRIPE_SECRET_ARN")
[[ -n "${FASTSPRING_SECRET_ARN:-}" ]] && overrides+=("FastSpringSecretArn=$FASTSPRING_SECRET_ARN")
[[ -n "${PADDLE_SECRET_ARN:-}" ]] && overrides+=("PaddleSecretArn=$PADDLE_SECRET_ARN")
set -f
for parameter in ${PARAMETERS:-}; do overrides+=("$parameter"); done

.venv/sam/bin/sam deploy --template-file .aws-sam/build/template.yaml --stack-name "$STACK" --region "$REGION" \
  --capabilities CAPABILITY_IAM --resolve-s3 --no-confirm-changeset --no-fail-on-empty-changeset \
  --parameter-overrides "${overrides[@]}"
