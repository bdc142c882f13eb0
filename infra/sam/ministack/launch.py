# Runs ministack with two fixes and a record:
#
# - The version that CreateSecret creates has the caller's idempotency token as its id, as in AWS. A caller
#   that lost the answer then still knows the id.
# - The condition key aws:PrincipalArn of a role's session is the role's ARN with its path, as in AWS, and
#   not the session's.
# - The file `decisions` gets a line for each decision about an action of a role, the first time that it is made:
#   Allow my-role dynamodb:GetItem
import sys

from ministack.app import main
from ministack.core import iam_evaluator
from ministack.services import iam, secretsmanager

create = secretsmanager._create_secret


def create_secret(data):
    status, headers, body = create(data)
    token = data.get("ClientRequestToken")
    if status == 200 and token:
        versions = secretsmanager._secrets[data["Name"]]["Versions"]
        (drawn,) = versions
        versions[token] = versions.pop(drawn)
        body = body.replace(drawn.encode(), token.encode())
    return status, headers, body


secretsmanager._create_secret = create_secret

resolve = iam_evaluator._resolve_condition_key


def resolve_condition_key(key, context):
    value = resolve(key, context)
    if key.lower() == "aws:principalarn" and ":assumed-role/" in value:
        name = iam_evaluator._role_name_from_assumed_arn(value)
        role = iam._roles.get_scoped(context.principal_account, None, name)
        return role["Arn"]
    return value


iam_evaluator._resolve_condition_key = resolve_condition_key

enforce = iam_evaluator.enforce
recorded = set()


def enforce_and_record(access_key, action, *request, **context):
    denied = enforce(access_key, action, *request, **context)
    caller = iam_evaluator.caller_arn()
    if ":assumed-role/" in caller:
        role = iam_evaluator._role_name_from_assumed_arn(caller)
        decision = f"{'Deny' if denied else 'Allow'} {role} {action}"
        if decision not in recorded:
            recorded.add(decision)
            with open("decisions", "a") as file:
                print(decision, file=file)
    return denied


iam_evaluator.enforce = enforce_and_record
sys.exit(main())
