import os
import secrets
from types import NoneType
from typing import TypeVar

from goblins import AuthenticatedClient
from goblins.api.items import create_item, delete_item, get_item, list_items
from goblins.api.secrets import create_secret, delete_secret
from goblins.api.services import create_service, delete_service
from goblins.models import Item, ItemPage, NewItem, NewSecret, NewService, RevealedItem, Secret, Service

T = TypeVar("T")


def must(kind: type[T], answer: object) -> T:
    """Returns an answer of this kind. Any other is a failure, which the API explains."""
    if not isinstance(answer, kind):
        raise SystemExit(f"not a {kind.__name__}: {answer}")
    return answer


api = AuthenticatedClient(os.environ["API_URL"], os.environ["API_KEY"], raise_on_unexpected_status=True)

secret = must(Secret, create_secret.sync(client=api, body=NewSecret(name="my-app-secrets")))
password = secrets.token_urlsafe()
first = NewItem(key="DATABASE_PASSWORD", value=password)
second = NewItem(key="STRIPE_SECRET_KEY", value="sk_live_...")
item = must(Item, create_item.sync(secret.id, client=api, body=first))
must(Item, create_item.sync(secret.id, client=api, body=second))
app = NewService(name="my-app", image="myapp:v1.0.0", port=8080, config="your-config-id", secret=secret.id)
service = must(Service, create_service.sync(client=api, body=app))

page = must(ItemPage, list_items.sync(secret.id, client=api))
revealed = must(RevealedItem, get_item.sync(secret.id, item.id, client=api))
if revealed.value != password:
    raise SystemExit("another value came back")

must(NoneType, delete_service.sync(service.id, client=api))
for listed in page.results:
    must(NoneType, delete_item.sync(secret.id, listed.id, client=api))
must(NoneType, delete_secret.sync(secret.id, client=api))
print("The workflow is done.")
