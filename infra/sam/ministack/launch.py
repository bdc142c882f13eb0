# Runs ministack, mended in one place: the version that CreateSecret makes has the id that the caller
# gives it, as in AWS, so that who has lost the answer knows it all the same.
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
