# Runs ministack with one fix: the version that CreateSecret creates has the caller's idempotency token
# as its id, as in AWS. A caller that lost the answer then still knows the id.
import sys

from ministack.app import main
from ministack.services import secretsmanager

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
sys.exit(main())
