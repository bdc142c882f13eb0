#!/usr/bin/env bash
#
# deploy.sh - build and deploy the stack of an environment of samconfig.toml, then print the first steps.
#
# usage: infra/sam/deploy.sh [--only build|--only deploy] [ENVIRONMENT [OPTIONS OF sam deploy...]]
#
# If the stack does not exist yet, `sam deploy --guided` asks for the parameters, writes the answers to
# samconfig.toml, and deploys nothing yet. For an existing stack it would offer the defaults and not the
# deployed values, so the script then asks nothing. SAM shows the changes before it makes them.
#
# Three parameters are the script's. Architecture is asked for before the build, or read. BuiltFor is what
# was built, as the build has noted it: a rule of the template refuses another Architecture. Release names
# the commit and the parameters, so that each release makes new versions of all functions.
#
# --only build needs no credentials; --only deploy deploys what was built. A pipeline runs them in two jobs.
set -euo pipefail
cd "$(dirname "$0")/../.."

only=
if [ "${1:-}" = --only ]; then only=$2; shift 2; fi
environment=${1:-default}
shift || true

fail() { echo "deploy: $*" >&2; exit 1; }

# saved NAME prints the setting of `sam deploy` in the environment, or that of all commands.
saved() {
  sed -n "/^\[$environment\.\(deploy\|global\)\.parameters\]/,/^\[[a-z]*\.[a-z]/s/^$1 *= *\"\(.*\)\"/\1/p" samconfig.toml | tail -1
}
grep -q "^\[$environment\.deploy\.parameters\]" samconfig.toml || fail "samconfig.toml has no environment $environment"

# Before anything is installed or built. The SAM CLI does not read AWS_REGION, and would fail after all
# its questions.
if [ "$only" != build ]; then
  config=${AWS_CONFIG_FILE:-$HOME/.aws/config} profile=${AWS_PROFILE:-default}
  region=$(saved region)
  region=${region:-${AWS_REGION:-${AWS_DEFAULT_REGION:-}}}
  [ -n "$region" ] || [ ! -f "$config" ] ||
    region=$(sed -n "/^\[\(profile \)\?$profile\]/,/^\[/s/^region *= *//p" "$config" | head -1)
  [ -n "$region" ] || fail "set the region first: export AWS_DEFAULT_REGION=..., or in your AWS profile"
  export AWS_REGION=$region AWS_DEFAULT_REGION=$region
  # Credentials come from the environment, from the profile, or from the machine, if it is one of AWS.
  [ -n "${AWS_ACCESS_KEY_ID:-}${AWS_WEB_IDENTITY_TOKEN_FILE:-}${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-}${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ] ||
    { cat "$config" "${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}" 2>/dev/null || true; } |
      sed -n "/^\[\(profile \)\?$profile\]/,/^\[/p" |
      grep -E '^ *(aws_access_key_id|sso_|role_arn|credential_process|login_session|web_identity_token_file)' >/dev/null ||
    grep -qs '^Amazon EC2' "${DMI:-/sys/devices/virtual/dmi/id}/sys_vendor" ||
    fail "set AWS credentials first: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
fi

# CloudFormation cuts the names of roles and functions at 64 characters, and alarms look for the stack's.
stack_name=$(saved stack_name)
[ ${#stack_name} -le 29 ] || fail "the stack's name $stack_name is too long: it may have 29 characters"

make --no-print-directory .tools/sam/.installed
sam=.tools/sam/bin/sam

# stack prints `exists` and, if the stack has been deployed, its Architecture. It fails without valid
# credentials.
stack() {
  .tools/sam/bin/python - "$(saved stack_name)" <<'PYTHON'
import sys, boto3
from botocore.exceptions import BotoCoreError, ClientError
try:
    boto3.client("sts").get_caller_identity()
    stack = boto3.client("cloudformation").describe_stacks(StackName=sys.argv[1])["Stacks"][0]
    if stack["StackStatus"] != "REVIEW_IN_PROGRESS":  # reviewed, never deployed
        print("exists", *(p["ParameterValue"] for p in stack["Parameters"] if p["ParameterKey"] == "Architecture"))
except (BotoCoreError, ClientError) as e:
    if "does not exist" not in str(e):
        sys.exit(f"deploy: {e}")
PYTHON
}

# overrides prints the environment's parameters, without those of the script, as `sam deploy` takes them.
overrides() {
  .tools/sam/bin/python - "$environment" <<'PYTHON'
import shlex, sys, tomllib
with open("samconfig.toml", "rb") as f:
    saved = tomllib.load(f)[sys.argv[1]]["deploy"]["parameters"].get("parameter_overrides", "")
pairs = shlex.split(saved if isinstance(saved, str) else " ".join(saved))
print(" ".join('%s="%s"' % tuple(p.split("=", 1)) for p in pairs if p.split("=")[0] not in ("Architecture", "BuiltFor", "Release")))
PYTHON
}

guided= known=
if [ "$only" != build ]; then
  known=$(stack)
  if [ $# -eq 0 ] && [ -z "$known" ]; then guided=--guided; fi
fi
architecture=$(sed -n "/^\[$environment\.deploy\.parameters\]/,/^\[[a-z]*\.[a-z]/s/.*Architecture=\\\\*\"*\([a-z0-9_]*\).*/\1/p" samconfig.toml | tail -1)
architecture=${architecture:-${known#exists}}
architecture=${architecture# }
if [ -z "$architecture" ] && [ -n "$guided" ]; then
  read -r -p "Architecture of the functions, arm64 (cheaper) or x86_64 [arm64]: " architecture
fi
architecture=${architecture:-arm64}

if [ "$only" != deploy ]; then
  "$sam" build --config-env "$environment" --parameter-overrides "Architecture=$architecture"
  echo "$architecture" >.aws-sam/architecture
fi
[ "$only" != build ] || exit 0
built=$(cat .aws-sam/architecture 2>/dev/null) || fail "nothing was built: run infra/sam/deploy.sh --only build $environment first"

if [ -n "$guided" ]; then
  "$sam" deploy --config-env "$environment" --guided --no-execute-changeset \
    --parameter-overrides "$(overrides) Architecture=$architecture BuiltFor=$built"
fi
parameters=$(overrides)
release=$(git rev-parse --short=12 HEAD 2>/dev/null || echo untracked)$([ -z "$(git status --porcelain -- . ":!samconfig.toml")" ] || echo -dirty)-$(printf '%s %s' "$parameters" "$architecture" | sha256sum | cut -c1-6)
"$sam" deploy --config-env "$environment" "$@" \
  --parameter-overrides "$parameters Architecture=$architecture BuiltFor=$built Release=$release"

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
print("Or in a browser:    ", outputs["ConsoleUrl"])
print("To try all of it:    make smoke URL=%s KEY=<the key>" % outputs["ApiUrl"])'
