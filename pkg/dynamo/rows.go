package dynamo

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// attributes is a row on the wire.
type attributes = map[string]types.AttributeValue

// Rows hold ids and times as text: a table is also read by people.

type accountRow struct {
	key
	Name            string `dynamodbav:"name"`
	DefaultSecretID string `dynamodbav:"default_secret_id"`
	Secrets         int    `dynamodbav:"secrets"`
	CreatedAt       string `dynamodbav:"created_at"`
}

// markerRow takes a name or key for one owner.
type markerRow struct {
	key
	Owner string `dynamodbav:"owner"`
}

type secretRow struct {
	key
	Name      string `dynamodbav:"name"`
	IsDefault bool   `dynamodbav:"is_default"`
	Items     int    `dynamodbav:"items"`
	CreatedAt string `dynamodbav:"created_at"`
}

type itemRow struct {
	key
	Key            string `dynamodbav:"key"`
	Version        int64  `dynamodbav:"version"`
	CreatedAt      string `dynamodbav:"created_at"`
	UpdatedAt      string `dynamodbav:"updated_at"`
	LastAccessedAt string `dynamodbav:"last_accessed_at,omitempty"`
	LastAccessedBy string `dynamodbav:"last_accessed_by,omitempty"`
}

// UnmarshalDynamoDBAttributeValue reads a row without reflection: lists have many of
// these, and with it a list of 100 takes 5 % longer, its query included.
func (r *itemRow) UnmarshalDynamoDBAttributeValue(av types.AttributeValue) error {
	row, ok := av.(*types.AttributeValueMemberM)
	if !ok {
		return fmt.Errorf("an item row can't be a %T", av)
	}
	for name, value := range row.Value {
		switch value := value.(type) {
		case *types.AttributeValueMemberS:
			switch name {
			case "PK":
				r.PK = value.Value
			case "SK":
				r.SK = value.Value
			case "key":
				r.Key = value.Value
			case "created_at":
				r.CreatedAt = value.Value
			case "updated_at":
				r.UpdatedAt = value.Value
			case "last_accessed_at":
				r.LastAccessedAt = value.Value
			case "last_accessed_by":
				r.LastAccessedBy = value.Value
			}
		case *types.AttributeValueMemberN:
			if name == "version" {
				var err error
				if r.Version, err = strconv.ParseInt(value.Value, 10, 64); err != nil {
					return fmt.Errorf("version: %w", err)
				}
			}
		}
	}
	if r.Version < 1 {
		return fmt.Errorf("item row %s | %s has no version", r.PK, r.SK)
	}
	return nil
}

type valueRow struct {
	key
	Version int64  `dynamodbav:"version"`
	Sealed  []byte `dynamodbav:"sealed"`
}

type eventRow struct {
	key
	At        string `dynamodbav:"at"`
	Type      string `dynamodbav:"type"`
	UserID    string `dynamodbav:"user_id,omitempty"`
	KeyID     string `dynamodbav:"key_id,omitempty"`
	SourceIP  string `dynamodbav:"source_ip,omitempty"`
	RequestID string `dynamodbav:"request_id,omitempty"`
	SecretID  string `dynamodbav:"secret_id,omitempty"`
	ItemID    string `dynamodbav:"item_id,omitempty"`
	Version   int64  `dynamodbav:"version,omitempty"`
	Name      string `dynamodbav:"name,omitempty"`
}

type apiKeyRow struct {
	key
	ID        string `dynamodbav:"id"`
	AccountID string `dynamodbav:"account_id"`
	UserID    string `dynamodbav:"user_id"`
	CreatedAt string `dynamodbav:"created_at"`
	ExpiresAt int64  `dynamodbav:"expires_at,omitempty"` // unix seconds; the table's TTL attribute
}

func newSecretRow(s secrets.Secret) secretRow {
	return secretRow{
		key: secretKey(s.AccountID, s.ID), Name: s.Name, IsDefault: s.IsDefault, CreatedAt: timeText(s.CreatedAt),
	}
}

func (r secretRow) secret() (secrets.Secret, error) {
	var p parser
	s := secrets.Secret{Name: r.Name, IsDefault: r.IsDefault, CreatedAt: p.time(r.CreatedAt)}
	p.lastIDs(r.PK, &s.AccountID)
	p.lastIDs(r.SK, &s.ID)
	return s, p.err
}

func newItemRow(it secrets.Item) itemRow {
	return itemRow{
		key: itemKey(it.AccountID, it.SecretID, it.ID), Key: it.Key, Version: it.Version,
		CreatedAt: timeText(it.CreatedAt), UpdatedAt: timeText(it.UpdatedAt),
	}
}

func (r itemRow) item() (secrets.Item, error) {
	var p parser
	it := secrets.Item{
		Key: r.Key, Version: r.Version, CreatedAt: p.time(r.CreatedAt), UpdatedAt: p.time(r.UpdatedAt),
	}
	if r.LastAccessedAt != "" {
		it.LastAccessedAt, it.LastAccessedBy = p.time(r.LastAccessedAt), p.id(r.LastAccessedBy)
	}
	p.lastIDs(r.PK, &it.AccountID, &it.SecretID)
	p.lastIDs(r.SK, &it.ID)
	return it, p.err
}

func newEventRow(ev secrets.Event) eventRow {
	return eventRow{
		key: eventKey(ev.AccountID, ev.ID), At: timeText(ev.At), Type: ev.Type,
		UserID: idText(ev.UserID), KeyID: idText(ev.KeyID), SourceIP: ev.SourceIP, RequestID: ev.RequestID,
		SecretID: idText(ev.SecretID), ItemID: idText(ev.ItemID), Version: ev.Version, Name: ev.Name,
	}
}

func newAPIKeyRow(k secrets.APIKey) apiKeyRow {
	r := apiKeyRow{
		key: apiKeyKey(k.Hash), ID: k.ID.String(), AccountID: k.AccountID.String(), UserID: k.UserID.String(),
		CreatedAt: timeText(k.CreatedAt),
	}
	if !k.ExpiresAt.IsZero() {
		r.ExpiresAt = k.ExpiresAt.Unix()
	}
	return r
}

func (r apiKeyRow) apiKey(h secrets.KeyHash) (secrets.APIKey, error) {
	var p parser
	k := secrets.APIKey{
		ID: p.id(r.ID), AccountID: p.id(r.AccountID), UserID: p.id(r.UserID), Hash: h, CreatedAt: p.time(r.CreatedAt),
	}
	if r.ExpiresAt != 0 {
		k.ExpiresAt = time.Unix(r.ExpiresAt, 0).UTC()
	}
	return k, p.err
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

func timeText(t time.Time) string { return t.UTC().Format(timeLayout) }

// idText leaves out the zero id.
func idText(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

// parser reads text back and keeps the first failure.
type parser struct{ err error }

func (p *parser) time(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text) // which has a fast path
	if p.err == nil {
		p.err = err
	}
	return t
}

func (p *parser) id(text string) uuid.UUID {
	id, err := uuid.Parse(text)
	if p.err == nil {
		p.err = err
	}
	return id
}

// lastIDs reads the UUIDs that end a part of a key, such as "SECRET#<a>#<s>".
func (p *parser) lastIDs(part string, into ...*uuid.UUID) {
	for i := len(into) - 1; i >= 0; i-- {
		var err error
		if *into[i], part, err = lastID(part); err != nil && p.err == nil {
			p.err = err
		}
	}
}

// marshal encodes a row, which is one of this file's structs.
func marshal(row any) attributes {
	m, err := attributevalue.MarshalMap(row)
	if err != nil {
		panic(fmt.Sprintf("dynamo: marshal %T: %v", row, err)) // unreachable: rows hold plain fields
	}
	return m
}

func unmarshal[T any](m attributes) (row T, err error) {
	if err := attributevalue.UnmarshalMap(m, &row); err != nil {
		return row, fmt.Errorf("unmarshal %T: %w", row, err)
	}
	return row, nil
}
