package dynamo

import (
	"context"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// tokenRow is what is kept of a request that was done.
type tokenRow struct {
	key
	MAC       string `dynamodbav:"mac"`
	EventID   string `dynamodbav:"event_id"` // whose time is that of the change
	Action    string `dynamodbav:"action"`   // which has its status
	SecretID  string `dynamodbav:"secret_id,omitempty"`
	ItemID    string `dynamodbav:"item_id,omitempty"`
	ServiceID string `dynamodbav:"service_id,omitempty"`
	UserID    string `dynamodbav:"user_id,omitempty"`
	KeyID     string `dynamodbav:"key_id,omitempty"`
	Revision  int64  `dynamodbav:"revision,omitempty"`
	eventItems

	ExpiresAt int64 `dynamodbav:"expires_at"` // the TTL attribute: Unix, in seconds
}

// keepToken keeps the token of an event, unless it is kept and not too old.
func (s *Store) keepToken(ev secrets.Event) write {
	row := tokenRow{
		key: tokenKey(ev.AccountID, ev.User.ID, ev.Token.Name), MAC: ev.Token.MAC, EventID: ev.ID.String(), Action: ev.Action,
		SecretID: idText(ev.Secret.ID), ItemID: idText(ev.Item.ID), ServiceID: idText(ev.Service.ID),
		UserID: idText(ev.SubjectUser.ID), KeyID: idText(ev.SubjectKey.ID), Revision: ev.Revision,
		eventItems: newEventItems(ev.Items), ExpiresAt: ev.At().Add(secrets.TokenTime).Unix(),
	}
	return s.replace(row, "attribute_not_exists(PK) OR expires_at <= :now", attributes{":now": number(ev.At().Unix())}, secrets.ErrRepeated)
}

// KeepAnswered implements secrets.Tokens.
func (s *Store) KeepAnswered(ctx context.Context, ev secrets.Event) error {
	return s.transactOnce(ctx, ev.ID, s.keepToken(ev))
}

// Answered implements secrets.Tokens.
func (s *Store) Answered(ctx context.Context, account, user uuid.UUID, name string, now time.Time) (secrets.Answered, error) {
	row, err := get[tokenRow](ctx, s, tokenKey(account, user, name))
	if err != nil {
		return secrets.Answered{}, err
	}
	if row.ExpiresAt <= now.Unix() {
		return secrets.Answered{}, secrets.ErrNotFound
	}
	return row.answered(account, user)
}

func (r tokenRow) answered(account, user uuid.UUID) (secrets.Answered, error) {
	var p parser
	named := func(id string) secrets.Named { return secrets.Named{ID: p.optionalID(id)} }
	items, err := r.items()
	ev := secrets.Event{
		ID: p.id(r.EventID), AccountID: account, Action: r.Action, User: secrets.Named{ID: user}, Secret: named(r.SecretID), Item: named(r.ItemID),
		Service: named(r.ServiceID), SubjectUser: named(r.UserID), SubjectKey: named(r.KeyID), Items: items, Revision: r.Revision,
	}
	if err == nil {
		err = p.err
	}
	return secrets.Answered{MAC: r.MAC, Event: ev}, err
}
