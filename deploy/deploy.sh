#!/usr/bin/env bash
# Deploys what `make sam-build` built. More parameters of template.yaml: PARAMETERS="GraceDays=7 AlarmEmail=ops@example.com"
set -euo pipefail
cd "$(dirname "$0")/.."

: "${REGION:?an AWS region}"
STACK=${STACK:-payment-webhooks}
overrides=("PaymentPlatform=${PLATFORM:-all}")
[[ -n "${STRIPE_SECRET_ARN:-}" ]] && overrides+=("StripeSecretArn=$STRIPE_SECRET_ARN")
[[ -n "${FASTSPRING_SECRET_ARN:-}" ]] && overrides+=("FastSpringSecretArn=$FASTSPRING_SECRET_ARN")
[[ -n "${PADDLE_SECRET_ARN:-}" ]] && overrides+=("PaddleSecretArn=$PADDLE_SECRET_ARN")
read -r -a more <<<"${PARAMETERS:-}"
overrides+=("${more[@]}")

.venv/sam/bin/sam deploy --template-file .aws-sam/build/template.yaml --stack-name "$STACK" --region "$REGION" \
  --capabilities CAPABILITY_IAM --resolve-s3 --no-confirm-changeset --no-fail-on-empty-changeset \
  --parameter-overrides "${overrides[@]}"
