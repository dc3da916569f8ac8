#!/usr/bin/env bash
# Deploys what `make sam-build` built. More parameters of template.yaml, quoted as for a shell:
#   PARAMETERS='GraceDays=7 IpAllowlist="provider, 203.0.113.7" AlarmEmail=""'
set -euo pipefail
cd "$(dirname "$0")/.."

: "${REGION:?an AWS region}"
STACK=${STACK:-payment-webhooks}
# A stack that was made for one provider must not grow the others because nobody named it.
: "${PLATFORM:?stripe, fastspring, paddle or all}"
case "$PLATFORM" in
  all | stripe | fastspring | paddle) ;;
  *) echo "PLATFORM=$PLATFORM must be all, stripe, fastspring or paddle" >&2 && exit 1 ;;
esac

overrides=()
# Only in double quotes does sam take a value with blanks, or none.
override() { overrides+=("$1=\"$2\""); }

override PaymentPlatform "$PLATFORM"
# The field e_machine of an ELF file: what was built says for what.
built=.aws-sam/build/StripeFunction/bootstrap
[[ -f "$built" ]] || { echo "$built is not there: make sam-build" >&2 && exit 1; }
machine=$(od -An -tu2 -j18 -N2 "$built")
case "${machine// /}" in
  183) override Architecture arm64 ;;
  62) override Architecture x86_64 ;;
  *) echo ".aws-sam/build holds no function for arm64 or x86_64: make sam-build" >&2 && exit 1 ;;
esac

PARAMETERS=${PARAMETERS:-}
if [[ -n "${PARAMETERS//[[:space:]]/}" ]]; then
  words=$(xargs printf '%s\n' <<<"$PARAMETERS")
  while IFS= read -r word; do
    [[ "$word" == *=* ]] || { echo "PARAMETERS: $word is not Name=value" >&2 && exit 1; }
    override "${word%%=*}" "${word#*=}"
  done <<<"$words"
fi

# The template refuses what is for a function that it does not make, also what the stack knows from before: so that one
# GitHub environment serves every platform, and a stack can shrink.
for provider in Stripe FastSpring Paddle; do
  variable="$(tr '[:lower:]' '[:upper:]' <<<"$provider")_SECRET_ARN"
  if [[ "$PLATFORM" != all && "$PLATFORM" != "$(tr '[:upper:]' '[:lower:]' <<<"$provider")" ]]; then
    override "${provider}SecretArn" ""
    [[ "$provider" != Stripe ]] || override CryptlexProductId ""
  elif [[ -n "${!variable:-}" ]]; then
    override "${provider}SecretArn" "${!variable}"
  fi
done

.venv/sam/bin/sam deploy --template-file .aws-sam/build/template.yaml --stack-name "$STACK" --region "$REGION" \
  --capabilities CAPABILITY_IAM --resolve-s3 --no-confirm-changeset --no-fail-on-empty-changeset \
  --parameter-overrides "${overrides[@]}"
