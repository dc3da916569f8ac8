#!/usr/bin/env bash
# Deploys what `make sam-build` built; with ZIPS=folder the zips of a release instead, for ARCHITECTURE (arm64 unless set).
# More parameters of template.yaml, quoted as for a shell; "" empties one:
#   PARAMETERS='AlarmEmail=ops@example.com GraceDays=7 IpAllowlist="provider, 203.0.113.7" CancellationAction=""'
#
# 0: deployed, and somebody is told of alarms (or NO_ALARM_EMAIL=yes says that nobody need be). 3: deployed, but nobody is
# told yet. Anything else: not deployed, or the result could not be read.
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
NO_ALARM_EMAIL=${NO_ALARM_EMAIL:-}
[[ "$NO_ALARM_EMAIL" == "" || "$NO_ALARM_EMAIL" == yes ]] \
  || { echo "NO_ALARM_EMAIL=$NO_ALARM_EMAIL must be yes, or not set" >&2 && exit 1; }

# ---- What was built -----------------------------------------------------------------------------------------------------

overrides=()
# Only in double quotes does sam take a value with blanks, or none.
override() { overrides+=("$1=\"$2\""); }

override PaymentPlatform "$PLATFORM"
ZIPS=${ZIPS:-}
if [[ -n "$ZIPS" ]]; then
  architecture=${ARCHITECTURE:-arm64}
  template=.aws-sam/zips/template.yaml
  python3 deploy/release.py stage "$PLATFORM" "$architecture" "$ZIPS" "${template%/*}"
  override Architecture "$architecture"
else
  template=.aws-sam/build/template.yaml
  # The field e_machine of an ELF file: what was built says for what.
  built=.aws-sam/build/StripeFunction/bootstrap
  [[ -f "$built" ]] || { echo "$built is not there: make sam-build, or ZIPS=folder with the zips of a release" >&2 && exit 1; }
  machine=$(od -An -tu2 -j18 -N2 "$built")
  case "${machine// /}" in
    183) override Architecture arm64 ;;
    62) override Architecture x86_64 ;;
    *) echo ".aws-sam/build holds no function for arm64 or x86_64: make sam-build" >&2 && exit 1 ;;
  esac
fi

# ---- What is asked for --------------------------------------------------------------------------------------------------

PARAMETERS=${PARAMETERS:-}
# Whether PARAMETERS says who is told of alarms, and whom.
email_named=""
email=""
if [[ -n "${PARAMETERS//[[:space:]]/}" ]]; then
  words=$(xargs printf '%s\n' <<<"$PARAMETERS")
  while IFS= read -r word; do
    [[ "$word" == *=* ]] || { echo "PARAMETERS: $word is not Name=value" >&2 && exit 1; }
    override "${word%%=*}" "${word#*=}"
    if [[ "${word%%=*}" == AlarmEmail ]]; then
      email_named=yes
      email=${word#*=}
    fi
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

# ---- Who is told of alarms ----------------------------------------------------------------------------------------------

# Parameters or Outputs of the stack, a line each: the name, a tab, the value.
described() {
  aws cloudformation describe-stacks --region "$REGION" --stack-name "$STACK" --query "$1" --output text
}
# The subscriptions of a topic, a line each: who, a tab, the ARN once they confirmed.
subscriptions() {
  aws sns list-subscriptions-by-topic --region "$REGION" --topic-arn "$1" \
    --query 'Subscriptions[].[Endpoint,SubscriptionArn]' --output text
}
value_of() { awk -F '\t' -v name="$1" '$1 == name { print $2 }'; }
# Without the address that an explicit AlarmEmail replaces.
confirmed() { awk -F '\t' -v but="$1" '$2 ~ /^arn:/ && $1 != but { print $1 }'; }

if before=$(described 'Stacks[0].Parameters[].[ParameterKey,ParameterValue]' 2>&1); then
  outputs=$(described 'Stacks[0].Outputs[].[OutputKey,OutputValue]')
else
  [[ "$before" == *"does not exist"* ]] || { echo "$before" >&2 && exit 1; }
  before=""
  outputs=""
fi
email_before=$(value_of AlarmEmail <<<"$before")
topic=$(value_of TopicArn <<<"$outputs")
leaves=""
if [[ -z "$email_named" ]]; then
  email=$email_before
elif [[ "$email" != "$email_before" ]]; then
  leaves=$email_before
fi
if [[ -z "$email" && -z "$NO_ALARM_EMAIL" ]]; then
  stay=""
  [[ -z "$topic" ]] || stay=$(subscriptions "$topic" | confirmed "$leaves")
  if [[ -z "$stay" ]]; then
    echo "nobody would be told when webhooks fail, so nothing was deployed. Name somebody:" >&2
    echo "  PARAMETERS='AlarmEmail=ops@example.com' (keep your other parameters), or NO_ALARM_EMAIL=yes if nobody need be told" >&2
    exit 1
  fi
fi

# ---- The deployment -----------------------------------------------------------------------------------------------------

[[ -x .venv/sam/bin/sam ]] || make --no-print-directory .venv/sam/bin/sam

# sam tells its makers of each use unless it is asked not to.
export SAM_CLI_TELEMETRY=${SAM_CLI_TELEMETRY:-0}
# sam breaks its table of outputs wherever the window ends; they come below, to be copied.
in_table=""
.venv/sam/bin/sam deploy --template-file "$template" --stack-name "$STACK" --region "$REGION" \
  --capabilities CAPABILITY_IAM --resolve-s3 --no-confirm-changeset --no-fail-on-empty-changeset \
  --parameter-overrides "${overrides[@]}" \
  | while IFS= read -r line; do
    case "$line" in
      "CloudFormation outputs from deployed stack"*) in_table=yes ;;
      "Successfully created/updated stack"*) in_table="" ;;
    esac
    [[ -n "$in_table" ]] || printf '%s\n' "$line"
  done

outputs=$(described 'Stacks[0].Outputs[].[OutputKey,OutputValue]')
echo
awk -F '\t' 'NF == 2 { print $1 "=" $2 }' <<<"$outputs" | sort

# ---- Whether they can hear it -------------------------------------------------------------------------------------------

# A mail that asks for confirmation is good for some days: this sends another one, and does no harm.
asks_again() {
  echo "  aws sns subscribe --region $REGION --topic-arn $1 --protocol email --notification-endpoint ${2:-ADDRESS}"
}

told=""
pending=""
while IFS=$'\t' read -r name arn; do
  [[ "$name" == *TopicArn ]] || continue
  if ! them=$(subscriptions "$arn" 2>&1); then
    printf '\n%s\nWARNING: cannot read the subscribers of %s\n' "$them" "$arn" >&2
    continue
  fi
  [[ "$name" != TopicArn || -z "$(confirmed "" <<<"$them")" ]] || told=yes
  while IFS=$'\t' read -r who state; do
    [[ "$state" == PendingConfirmation ]] || continue
    [[ "$name" != TopicArn ]] || pending=yes
    printf '\nWARNING: %s gets no messages of topic %s yet. Click the link in the mail from AWS. To get another mail, run:\n' "$who" "$name" >&2
    asks_again "$arn" "$who" >&2
  done <<<"$them"
done <<<"$outputs"

if [[ -z "$told" ]]; then
  printf '\nWARNING: the stack %s runs, but NOBODY IS TOLD when webhooks fail: no confirmed subscriber is known.\n' "$STACK" >&2
  if [[ -n "$NO_ALARM_EMAIL" ]]; then
    echo "You set NO_ALARM_EMAIL=yes, so this is not an error." >&2
    exit 0
  fi
  if [[ -z "$pending" ]]; then
    echo "Subscribe somebody, who must then confirm:" >&2
    asks_again "$(value_of TopicArn <<<"$outputs")" "$email" >&2
  fi
  exit 3
fi
