#!/usr/bin/env bash
#
# deploy.sh - build and deploy the stack of an environment of samconfig.toml, then print the first steps.
#
# usage: infra/sam/deploy.sh [ENVIRONMENT [OPTIONS OF sam deploy...]]
#
# If the stack does not exist yet, `sam deploy --guided` asks for the parameters and writes the answers
# to samconfig.toml. For an existing stack it would offer the defaults and not the deployed values, so
# the script then asks nothing. SAM shows the changes before it makes them.
set -euo pipefail
cd "$(dirname "$0")/../.."

environment=${1:-default}
shift || true
sam=.tools/sam/bin/sam

# saved NAME prints the setting of `sam deploy` in the environment, or that of all commands.
saved() {
  sed -n "/^\[$environment\.\(deploy\|global\)\.parameters\]/,/^\[[a-z]*\.[a-z]/s/^$1 *= *\"\(.*\)\"/\1/p" samconfig.toml | tail -1
}
grep -q "^\[$environment\.deploy\.parameters\]" samconfig.toml ||
  { echo "deploy: samconfig.toml has no environment $environment" >&2; exit 1; }

# The SAM CLI does not read AWS_REGION. Without a region it would fail after all its questions.
region=$(saved region)
region=${region:-${AWS_REGION:-${AWS_DEFAULT_REGION:-$(.tools/sam/bin/python -c 'import boto3; print(boto3.Session().region_name or "")')}}}
[ -n "$region" ] || { echo "deploy: set the region first: export AWS_DEFAULT_REGION=..., or in your AWS profile" >&2; exit 1; }
export AWS_REGION=$region AWS_DEFAULT_REGION=$region

exists() {
  .tools/sam/bin/python - "$(saved stack_name)" <<'EOF'
import sys, boto3
from botocore.exceptions import ClientError
try:
    stack = boto3.client("cloudformation").describe_stacks(StackName=sys.argv[1])["Stacks"][0]
    sys.exit(stack["StackStatus"] == "REVIEW_IN_PROGRESS")  # reviewed, never deployed
except ClientError as e:
    if "does not exist" not in str(e):
        sys.exit(f"deploy: {e}")
    sys.exit(1)
EOF
}

architecture=$(sed -n "/^\[$environment\.deploy\.parameters\]/,/^\[[a-z]*\.[a-z]/s/.*Architecture=\\\\*\"*\([a-z0-9_]*\).*/\1/p" samconfig.toml | tail -1)
"$sam" build --config-env "$environment" ${architecture:+--parameter-overrides "Architecture=$architecture"}
guided=
if [ $# -eq 0 ] && ! exists; then guided=--guided; fi
"$sam" deploy --config-env "$environment" ${guided:+"$guided"} "$@"

"$sam" list stack-outputs --stack-name "$(saved stack_name)" --output json |
  .tools/sam/bin/python -c '
import json, sys
outputs = {o["OutputKey"]: o["OutputValue"] for o in json.load(sys.stdin)}
if not outputs:
    sys.exit("deploy: nothing was deployed")
print()
print("The API:            ", outputs["ApiUrl"])
print("The first account:  ", outputs["FirstAccount"])
print("Then, with its key: ", outputs["FirstCall"])
print("Or in a browser:    ", outputs["ConsoleUrl"])'
