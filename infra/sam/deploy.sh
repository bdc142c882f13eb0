#!/usr/bin/env bash
#
# deploy.sh - build and deploy the stack of an environment of samconfig.toml, then say how to begin.
#
# usage: infra/sam/deploy.sh [ENVIRONMENT [OPTIONS OF sam deploy...]]
#
# The first time, when samconfig.toml has no region for the environment yet, `sam deploy --guided`
# asks for it and for the parameters, and writes the answers there. What it then creates, updates
# and replaces is shown before it is done.
set -euo pipefail
cd "$(dirname "$0")/../.."

environment=${1:-default}
shift || true
sam=.tools/sam/bin/sam

# saved NAME: what samconfig.toml has for `sam deploy` in the environment, or for all commands.
saved() {
  sed -n "/^\[$environment\.\(deploy\|global\)\.parameters\]/,/^\[[a-z]*\.[a-z]/s/^$1 *= *\"\(.*\)\"/\1/p" samconfig.toml | tail -1
}
grep -q "^\[$environment\.deploy\.parameters\]" samconfig.toml ||
  { echo "deploy: samconfig.toml has no environment $environment" >&2; exit 1; }

architecture=$(sed -n "/^\[$environment\.deploy\.parameters\]/,/^\[[a-z]*\.[a-z]/s/.*Architecture=\\\\*\"*\([a-z0-9_]*\).*/\1/p" samconfig.toml | tail -1)
"$sam" build --config-env "$environment" ${architecture:+--parameter-overrides "Architecture=$architecture"}
options=()
if [ -z "$(saved region)" ]; then
  # Where SAM is told no region it fails after all its questions.
  .tools/sam/bin/python -c 'import boto3, sys; sys.exit(boto3.Session().region_name is None)' ||
    { echo "deploy: set the region first: export AWS_REGION=..., or in your AWS profile" >&2; exit 1; }
  if [ $# -eq 0 ]; then options=(--guided); fi
fi
"$sam" deploy --config-env "$environment" "${options[@]}" "$@"

region=$(saved region)
"$sam" list stack-outputs --stack-name "$(saved stack_name)" ${region:+--region "$region"} --output json |
  .tools/sam/bin/python -c '
import json, sys
outputs = {o["OutputKey"]: o["OutputValue"] for o in json.load(sys.stdin)}
if not outputs:
    sys.exit("deploy: nothing was deployed")
print()
print("The API:            ", outputs["ApiUrl"])
print("The first account:  ", outputs["FirstAccount"])
print("Then, with its key: ", outputs["FirstCall"])'
