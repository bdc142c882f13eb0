package dynamo

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// attributes is a row on the wire.
type attributes = map[string]types.AttributeValue

// Rows hold ids and times as strings, because people read tables too.

type accountRow struct {
	key
	Name            string `dynamodbav:"name"`
	DefaultSecretID string `dynamodbav:"default_secret_id"`
	Secrets         int    `dynamodbav:"secrets"`
	Services        int    `dynamodbav:"services,omitempty"`
	CreatedAt       string `dynamodbav:"created_at"`
}

// accountsRow is an entry of the list of accounts.
type accountsRow struct {
	key
	Format int `dynamodbav:"format"`
}

// markerRow holds a name or key for one owner.
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

	Services     int   `dynamodbav:"services,omitempty"`
	Size         int   `dynamodbav:"size,omitempty"`
	Revision     int64 `dynamodbav:"revision,omitempty"`
	Checksum     int64 `dynamodbav:"checksum,omitempty"`
	Delivered    int64 `dynamodbav:"delivered,omitempty"`
	DeployFailed bool  `dynamodbav:"deploy_failed,omitempty"`
	Drifted      bool  `dynamodbav:"drifted,omitempty"`

	Bundle *bundleAttribute `dynamodbav:"bundle,omitempty"`

	ExportedAt       string `dynamodbav:"exported_at,omitempty"`
	ExportedBy       string `dynamodbav:"exported_by,omitempty"`
	ExportedRevision int64  `dynamodbav:"exported_revision,omitempty"`
}

// deletedAttributes are those that a row in the bin has beside its object's.
type deletedAttributes struct {
	DeletedAt string `dynamodbav:"deleted_at"`
	DeletedBy string `dynamodbav:"deleted_by"`
	Due       string `dynamodbav:"due"`
	Claimed   bool   `dynamodbav:"claimed,omitempty"`
}

// deletedSecretRow is a secret in the bin.
type deletedSecretRow struct {
	secretRow
	deletedAttributes
}

// deletedItemRow is an item in the bin.
type deletedItemRow struct {
	itemRow
	deletedAttributes
	SecretName string `dynamodbav:"secret_name"` // at the deletion, for the event of the purge, which reads no secret
}

// bundleAttribute is a secrets.Bundle.
type bundleAttribute struct {
	Name    string `dynamodbav:"name"`
	Region  string `dynamodbav:"region"`
	ARN     string `dynamodbav:"arn"`
	Version string `dynamodbav:"version"`
}

type itemRow struct {
	key
	Key            string `dynamodbav:"key"`
	Version        int64  `dynamodbav:"version"`
	LastVersion    int64  `dynamodbav:"last_version"`
	Revision       int64  `dynamodbav:"revision"`
	History        []byte `dynamodbav:"history"`
	Since          int64  `dynamodbav:"since"`
	Size           int    `dynamodbav:"size,omitempty"`
	CreatedAt      string `dynamodbav:"created_at"`
	UpdatedAt      string `dynamodbav:"updated_at"`
	ValueAt        string `dynamodbav:"value_at"`
	LastAccessedAt string `dynamodbav:"last_accessed_at,omitempty"`
	LastAccessedBy string `dynamodbav:"last_accessed_by,omitempty"`
}

// UnmarshalDynamoDBAttributeValue decodes a row without reflection, which would make a
// list of 100 items 5 % slower, its query included.
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
			case "value_at":
				r.ValueAt = value.Value
			case "last_accessed_at":
				r.LastAccessedAt = value.Value
			case "last_accessed_by":
				r.LastAccessedBy = value.Value
			}
		case *types.AttributeValueMemberN:
			var err error
			switch name {
			case "version":
				r.Version, err = strconv.ParseInt(value.Value, 10, 64)
			case "last_version":
				r.LastVersion, err = strconv.ParseInt(value.Value, 10, 64)
			case "revision":
				r.Revision, err = strconv.ParseInt(value.Value, 10, 64)
			case "since":
				r.Since, err = strconv.ParseInt(value.Value, 10, 64)
			case "size":
				r.Size, err = strconv.Atoi(value.Value)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		case *types.AttributeValueMemberB:
			if name == "history" {
				r.History = value.Value
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

// UnmarshalDynamoDBAttributeValue decodes what is read: the method of itemRow would hide the rest.
func (r *deletedItemRow) UnmarshalDynamoDBAttributeValue(av types.AttributeValue) error {
	return errors.Join(r.itemRow.UnmarshalDynamoDBAttributeValue(av), attributevalue.Unmarshal(av, &r.deletedAttributes))
}

// versionRow is a kept version of an item's value, in a slot.
type versionRow struct {
	key
	Version   int64  `dynamodbav:"version"`
	Sealed    []byte `dynamodbav:"sealed"`
	Size      int    `dynamodbav:"size"`
	CreatedAt string `dynamodbav:"created_at"`
	CreatedBy string `dynamodbav:"created_by"`
}

// purgeRow is what a deletion leaves to remove.
type purgeRow struct {
	key
	Items []string `dynamodbav:"items,omitempty"`
}

// serviceRow is a service, and also a use: a copy of it beside its secret's rows.
type serviceRow struct {
	key
	Name      string `dynamodbav:"name"`
	Image     string `dynamodbav:"image"`
	Port      int    `dynamodbav:"port"`
	Config    string `dynamodbav:"config,omitempty"`
	SecretID  string `dynamodbav:"secret_id"`
	Version   int64  `dynamodbav:"version"`
	CreatedAt string `dynamodbav:"created_at"`
	UpdatedAt string `dynamodbav:"updated_at"`
}

type entryRow struct {
	key
	Change     string `dynamodbav:"change"`
	At         string `dynamodbav:"at"`
	Bundle     string `dynamodbav:"bundle,omitempty"`
	Background bool   `dynamodbav:"background,omitempty"`
}

// roundRow is how far a function is that goes round the used secrets.
type roundRow struct {
	key
	Started string `dynamodbav:"started"`
	After   string `dynamodbav:"after,omitempty"` // a sort key of USED
	Done    int    `dynamodbav:"done"`
	Count   int    `dynamodbav:"count"`
	Ended   bool   `dynamodbav:"ended,omitempty"`
}

type leaseRow struct {
	key
	Token     int64   `dynamodbav:"fencing_token"`
	Expires   string  `dynamodbav:"lease_expires,omitempty"`
	Times     []int64 `dynamodbav:"times,omitempty"` // Unix, in milliseconds
	NotBefore string  `dynamodbav:"not_before,omitempty"`
	Settled   bool    `dynamodbav:"settled,omitempty"`
	Error     string  `dynamodbav:"error,omitempty"` // of the last delivery, if it failed
}

func newSecretRow(s secrets.Secret) secretRow {
	r := secretRow{
		key: secretKey(s.AccountID, s.ID), Name: s.Name, IsDefault: s.IsDefault, CreatedAt: timeText(s.CreatedAt),
		Items: s.Items, Size: s.Size, Revision: s.Revision, Checksum: s.Checksum, Delivered: s.Delivered,
		DeployFailed: s.DeployFailed, ExportedAt: optionalTime(s.Exported.At),
		ExportedBy: idText(s.Exported.By), ExportedRevision: s.Exported.Revision,
	}
	if s.Bundle != (secrets.Bundle{}) {
		r.Bundle = new(bundleAttribute(s.Bundle))
	}
	return r
}

func (r secretRow) secret() (secrets.Secret, error) {
	var p parser
	s := secrets.Secret{
		Name: r.Name, IsDefault: r.IsDefault, CreatedAt: p.time(r.CreatedAt), Items: r.Items, Services: r.Services, Size: r.Size,
		Revision: r.Revision, Checksum: r.Checksum, Delivered: r.Delivered, DeployFailed: r.DeployFailed, Drifted: r.Drifted,
		Exported: secrets.Exported{At: p.optionalTime(r.ExportedAt), By: p.optionalID(r.ExportedBy), Revision: r.ExportedRevision},
	}
	if r.Bundle != nil {
		s.Bundle = secrets.Bundle(*r.Bundle)
	}
	p.lastIDs(r.PK, &s.AccountID)
	p.lastIDs(r.SK, &s.ID)
	return s, p.err
}

func newItemRow(it secrets.Item) itemRow {
	return itemRow{
		key: itemKey(it.AccountID, it.SecretID, it.ID), Key: it.Key, Version: it.Version, Size: it.Size,
		LastVersion: it.LastVersion, Revision: it.Revision, History: []byte(it.History), Since: it.Since,
		CreatedAt: timeText(it.CreatedAt), UpdatedAt: timeText(it.UpdatedAt), ValueAt: timeText(it.ValueAt),
		LastAccessedAt: optionalTime(it.LastAccessedAt), LastAccessedBy: idText(it.LastAccessedBy),
	}
}

func (r itemRow) item() (secrets.Item, error) {
	var p parser
	it := secrets.Item{
		Key: r.Key, Version: r.Version, Size: r.Size, CreatedAt: p.time(r.CreatedAt), UpdatedAt: p.time(r.UpdatedAt),
		ValueAt: p.time(r.ValueAt), LastVersion: r.LastVersion, Revision: r.Revision, History: secrets.History(r.History), Since: r.Since,
	}
	if r.LastAccessedAt != "" {
		it.LastAccessedAt, it.LastAccessedBy = p.time(r.LastAccessedAt), p.id(r.LastAccessedBy)
	}
	p.lastIDs(r.PK, &it.AccountID, &it.SecretID)
	p.lastIDs(r.SK, &it.ID)
	return it, p.err
}

func newDeletedAttributes(d secrets.Deleted) deletedAttributes {
	return deletedAttributes{DeletedAt: timeText(d.At), DeletedBy: d.By.String(), Due: timeText(d.Due), Claimed: d.Claimed}
}

func (a deletedAttributes) deleted() (secrets.Deleted, error) {
	var p parser
	return secrets.Deleted{At: p.time(a.DeletedAt), By: p.id(a.DeletedBy), Due: p.time(a.Due), Claimed: a.Claimed}, p.err
}

func newDeletedSecretRow(x secrets.DeletedSecret) deletedSecretRow {
	r := deletedSecretRow{newSecretRow(x.Secret), newDeletedAttributes(x.Deleted)}
	r.key = deletedSecretKey(x.Secret.AccountID, x.Secret.ID)
	return r
}

func (r deletedSecretRow) deletedSecret() (x secrets.DeletedSecret, err error) {
	x.Secret, err = r.secret()
	var of error
	x.Deleted, of = r.deleted()
	return x, errors.Join(err, of)
}

func newDeletedItemRow(it secrets.Item, secret string, d secrets.Deleted) deletedItemRow {
	r := deletedItemRow{newItemRow(it), newDeletedAttributes(d), secret}
	r.key = deletedItemKey(it.AccountID, it.SecretID, it.ID)
	return r
}

func (r deletedItemRow) deletedItem() (x secrets.DeletedItem, err error) {
	x.Item, err = r.item()
	var of error
	x.Deleted, of = r.deleted()
	return x, errors.Join(err, of)
}

func (r versionRow) sealed() (secrets.Version, secrets.SealedValue, error) {
	var p parser
	return secrets.Version{Number: r.Version, Size: r.Size, CreatedAt: p.time(r.CreatedAt), CreatedBy: p.id(r.CreatedBy)},
		secrets.SealedValue{Version: r.Version, Blob: r.Sealed}, p.err
}

func newPurgeRow(p secrets.Purge) purgeRow {
	r := purgeRow{key: purgeKey(p)}
	for _, id := range p.Items {
		r.Items = append(r.Items, id.String())
	}
	return r
}

// purge decodes a purge. Its key is "<due>#<a>#<s>#<e>".
func (r purgeRow) purge() (x secrets.Purge, err error) {
	var p parser
	due, ids, _ := strings.Cut(r.SK, "#")
	x.Due = p.time(due)
	p.lastIDs("#"+ids, &x.AccountID, &x.SecretID, &x.ID)
	for _, id := range r.Items {
		x.Items = append(x.Items, p.id(id))
	}
	return x, p.err
}

func (r valueRow) value() (secrets.SealedValue, error) {
	return secrets.SealedValue{Version: r.Version, Blob: r.Sealed}, nil
}

func newServiceRow(k key, w secrets.Service) serviceRow {
	return serviceRow{
		key: k, Name: w.Name, Image: w.Image, Port: w.Port, Config: w.Config, SecretID: w.SecretID.String(),
		Version: w.Version, CreatedAt: timeText(w.CreatedAt), UpdatedAt: timeText(w.UpdatedAt),
	}
}

// service decodes a service or a use. The account is the first id in the keys of both.
func (r serviceRow) service() (secrets.Service, error) {
	var p parser
	w := secrets.Service{
		Name: r.Name, Image: r.Image, Port: r.Port, Config: r.Config, SecretID: p.id(r.SecretID),
		Version: r.Version, CreatedAt: p.time(r.CreatedAt), UpdatedAt: p.time(r.UpdatedAt),
	}
	if strings.HasPrefix(r.PK, secretPrefix) {
		p.lastIDs(r.PK, &w.AccountID, new(uuid.UUID))
	} else {
		p.lastIDs(r.PK, &w.AccountID)
	}
	p.lastIDs(r.SK, &w.ID)
	return w, p.err
}

func newEntryRow(e delivery.Entry) entryRow {
	return entryRow{
		key: entryKey(e.AccountID, e.SecretID), Change: e.Change.String(), At: timeText(e.At), Bundle: e.Bundle, Background: e.Background,
	}
}

func (r entryRow) entry() (delivery.Entry, error) {
	var p parser
	e := delivery.Entry{Change: p.id(r.Change), At: p.time(r.At), Bundle: r.Bundle, Background: r.Background}
	p.lastIDs("#"+r.SK, &e.AccountID, &e.SecretID)
	return e, p.err
}

func newLeaseRow(l delivery.Lease) leaseRow {
	r := leaseRow{
		key: leaseKey(l.AccountID, l.SecretID), Token: l.Token, Expires: optionalTime(l.Expires), NotBefore: optionalTime(l.NotBefore),
		Settled: l.Settled,
	}
	for _, t := range l.Times {
		r.Times = append(r.Times, t.UnixMilli())
	}
	return r
}

func (r leaseRow) lease() (delivery.Lease, error) {
	var p parser
	l := delivery.Lease{Token: r.Token, Settled: r.Settled}
	if r.Expires != "" {
		l.Expires = p.time(r.Expires)
	}
	if r.NotBefore != "" {
		l.NotBefore = p.time(r.NotBefore)
	}
	for _, ms := range r.Times {
		l.Times = append(l.Times, time.UnixMilli(ms).UTC())
	}
	return l, p.err
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

func timeText(t time.Time) string { return t.UTC().Format(timeLayout) }

// optionalTime omits the zero time.
func optionalTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return timeText(t)
}

// idText omits the zero id.
func idText(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

// parser decodes strings and keeps the first error.
type parser struct{ err error }

func (p *parser) time(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text) // it has a fast path
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

// lastIDs decodes the UUIDs at the end of a part of a key, such as "SECRET#<a>#<s>".
func (p *parser) lastIDs(part string, into ...*uuid.UUID) {
	for i := len(into) - 1; i >= 0; i-- {
		var err error
		if *into[i], part, err = lastID(part); err != nil && p.err == nil {
			p.err = err
		}
	}
}

// marshal encodes a row: one of this file's structs.
func marshal(row any) attributes {
	m, err := attributevalue.MarshalMap(row)
	if err != nil {
		panic(fmt.Sprintf("dynamo: marshal %T: %v", row, err)) // unreachable: rows hold plain fields
	}
	return m
}

// decode unmarshals a row and converts it.
func decode[R, T any](item attributes, convert func(R) (T, error)) (x T, err error) {
	row, err := unmarshal[R](item)
	if err != nil {
		return x, err
	}
	return convert(row)
}

func unmarshal[T any](m attributes) (row T, err error) {
	if err := attributevalue.UnmarshalMap(m, &row); err != nil {
		return row, fmt.Errorf("unmarshal %T: %w", row, err)
	}
	return row, nil
}
