package dynamo

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// Users and keys. Three rules keep their rows consistent:
//
//   - A user's row lists its keys. Each write that adds or deletes one rests on the user's revision, and raises it.
//   - A key's row has a copy of what counts of its user. A change of the user rewrites the copies in the same
//     transaction. Each write of a key rests on the key's revision, and raises it.
//   - Each write rests on its maker's key: on the revision with which the domain decided, and on its expiry.
//
// So what a reader finds in a key's row is what counts. The use of a key raises no revision, and no other write
// touches it.

// User implements secrets.Users.
func (s *Store) User(ctx context.Context, account, user uuid.UUID) (secrets.User, error) {
	row, err := get[userRow](ctx, s, userKey(account, user))
	if err != nil {
		return secrets.User{}, err
	}
	return row.user()
}

// Users implements secrets.Users.
func (s *Store) Users(ctx context.Context, account uuid.UUID, from secrets.Cursor, limit int) ([]secrets.User, int, error) {
	return list(ctx,
		func(ctx context.Context) (int, error) {
			row, err := get[peopleRow](ctx, s, peopleKey(account))
			return row.Users, err
		},
		func(ctx context.Context) ([]userRow, error) {
			return page[userRow](ctx, s, peoplePK(account), userPrefix, from, limit)
		},
		userRow.user)
}

// CreateUser implements secrets.Users.
func (s *Store) CreateUser(ctx context.Context, maker *secrets.Key, u secrets.User, limit int, ev secrets.Event) error {
	return s.transactFor(ctx, maker, ev, nil,
		s.countPeople(u.AccountID, secrets.People{Users: 1}),
		s.put(newUserRow(u), secrets.ErrChanged),
		s.put(newCounter(u.AccountID, u.ID, limit, u.RevealLimit), secrets.ErrChanged),
	)
}

// UpdateUser implements secrets.Users.
func (s *Store) UpdateUser(ctx context.Context, maker *secrets.Key, old, updated secrets.User, keys []secrets.Key, sum secrets.People, ev secrets.Event) error {
	row := newUserRow(updated)
	row.Revision++
	writes := []write{s.replace(row, "revision = :read", attributes{":read": number(old.Revision)}, secrets.ErrChanged)}
	for _, k := range keys {
		writes = append(writes, s.revise(k, maker, ev.At(),
			"SET user_name = :user, user_permissions = :permissions, user_secrets = :secrets, revision = :next", attributes{
				":user": text(updated.Name), ":permissions": text(updated.Rights.Permissions.String()),
				":secrets": idSet(updated.Rights.Secrets).attribute(), ":next": number(k.Revision + 1),
			}))
	}
	if updated.RevealLimit != old.RevealLimit {
		writes = append(writes, s.ownLimit(old.AccountID, old.ID, updated.RevealLimit))
	}
	return s.transactFor(ctx, maker, ev, keys, append(writes, s.countsPeople(old.AccountID, sum)...)...)
}

// DeleteUser implements secrets.Users.
func (s *Store) DeleteUser(ctx context.Context, maker *secrets.Key, u secrets.User, keys []secrets.Key, sum secrets.People, ev secrets.Event) error {
	writes := []write{
		s.remove(userKey(u.AccountID, u.ID), "revision = :read", nil, attributes{":read": number(u.Revision)}, secrets.ErrChanged),
	}
	for _, k := range keys {
		writes = append(writes, s.removeKey(k, maker, ev.At())...)
	}
	writes = append(writes, s.removeCounter(u.AccountID, u.ID))
	return s.transactFor(ctx, maker, ev, keys, append(writes, s.countsPeople(u.AccountID, sum)...)...)
}

// FindKey implements secrets.Keys.
func (s *Store) FindKey(ctx context.Context, h secrets.KeyHash) (secrets.KeyPlace, error) {
	row, err := get[pointerRow](ctx, s, apiKeyKey(h))
	if err != nil {
		return secrets.KeyPlace{}, err
	}
	var p parser
	return secrets.KeyPlace{AccountID: p.id(row.AccountID), ID: p.id(row.ID)}, p.err
}

// Key implements secrets.Keys.
func (s *Store) Key(ctx context.Context, account, k uuid.UUID) (secrets.Key, error) {
	row, err := get[keyRow](ctx, s, keyKey(account, k))
	if err != nil {
		return secrets.Key{}, err
	}
	return row.apiKey()
}

// StampKey implements secrets.Keys. IAM also compares the condition's attributes with the only one that the authorizer may
// change, so the condition has no other.
func (s *Store) StampKey(ctx context.Context, account, k uuid.UUID, at, since time.Time) error {
	_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: marshal(keyKey(account, k)),
		UpdateExpression:    aws.String("SET last_used_at = :at"),
		ConditionExpression: aws.String("attribute_exists(PK) AND (attribute_not_exists(last_used_at) OR last_used_at < :since)"),
		ExpressionAttributeValues: attributes{
			":at": text(timeText(at)), ":since": text(timeText(since)),
		},
	})
	if refused(err) {
		return nil
	}
	return translate("UpdateItem", err)
}

// Keys implements secrets.Keys.
func (s *Store) Keys(ctx context.Context, account uuid.UUID, from secrets.Cursor, limit int) ([]secrets.Key, int, error) {
	return list(ctx,
		func(ctx context.Context) (int, error) {
			row, err := get[peopleRow](ctx, s, peopleKey(account))
			return row.Keys, err
		},
		func(ctx context.Context) ([]keyRow, error) {
			return page[keyRow](ctx, s, peoplePK(account), keyPrefix, from, limit)
		},
		keyRow.apiKey)
}

// KeysWithIDs implements secrets.Keys.
func (s *Store) KeysWithIDs(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]secrets.Key, error) {
	return withIDs(ctx, s, ids, func(id uuid.UUID) key { return keyKey(account, id) }, keyRow.apiKey)
}

// CreateKey implements secrets.Keys.
func (s *Store) CreateKey(ctx context.Context, maker *secrets.Key, u secrets.User, k secrets.Key, invitation *secrets.Key, sum secrets.People, ev secrets.Event) error {
	var gone []secrets.Key
	keys := append(slices.Clone(u.Keys), k.ID)
	if invitation != nil {
		gone, keys = append(gone, *invitation), without(keys, invitation.ID)
	}
	writes := []write{s.listKeys(u, keys)}
	for _, x := range gone {
		writes = append(writes, s.removeKey(x, maker, ev.At())...)
	}
	writes = append(writes,
		s.put(newKeyRow(k), secrets.ErrChanged),
		s.put(pointerRow{apiKeyKey(k.Hash), k.AccountID.String(), k.ID.String()}, errors.New("key exists")))
	if k.MadeBy != uuid.Nil {
		writes = append(writes, s.put(madeRow{madeKey(k.AccountID, k.MadeBy, k.ID), k.UserID.String()}, secrets.ErrChanged))
	}
	return s.transactFor(ctx, maker, ev, gone, append(writes, s.countsPeople(u.AccountID, sum)...)...)
}

// UpdateKey implements secrets.Keys.
func (s *Store) UpdateKey(ctx context.Context, maker *secrets.Key, old, updated secrets.Key, sum secrets.People, ev secrets.Event) error {
	expression := "SET #name = :name, #permissions = :permissions, secrets = :secrets, revision = :next"
	values := attributes{
		":name": text(updated.Name), ":permissions": text(updated.Rights.Permissions.String()),
		":secrets": idSet(updated.Rights.Secrets).attribute(), ":next": number(old.Revision + 1),
	}
	if !updated.ExpiresAt.IsZero() {
		expression += ", valid_until = :until"
		values[":until"] = text(timeText(updated.ExpiresAt))
	}
	w := s.revise(old, maker, ev.At(), expression, values)
	w.Update.ExpressionAttributeNames = map[string]string{"#name": "name", "#permissions": "permissions"}
	return s.transactFor(ctx, maker, ev, []secrets.Key{old}, append([]write{w}, s.countsPeople(old.AccountID, sum)...)...)
}

// DeleteKey implements secrets.Keys.
func (s *Store) DeleteKey(ctx context.Context, maker *secrets.Key, u secrets.User, k secrets.Key, sum secrets.People, ev secrets.Event) error {
	writes := append(s.removeKey(k, maker, ev.At()), s.listKeys(u, without(u.Keys, k.ID)))
	return s.transactFor(ctx, maker, ev, []secrets.Key{k}, append(writes, s.countsPeople(k.AccountID, sum)...)...)
}

// Made implements secrets.Keys.
func (s *Store) Made(ctx context.Context, account uuid.UUID) ([]secrets.Made, error) {
	in := s.allOf(peoplePK(account))
	in.KeyConditionExpression = aws.String("PK = :pk AND begins_with(SK, :made)")
	in.ExpressionAttributeValues[":made"] = text(madePrefix)
	return all(ctx, s, in, madeRow.made)
}

// transactFor is transact for a maker, whose key is as it was read and has not expired. That condition comes first, so
// that its failure counts before others. written are keys that the writes change: they have the condition themselves.
// Retries end with the key.
func (s *Store) transactFor(ctx context.Context, maker *secrets.Key, ev secrets.Event, written []secrets.Key, writes ...write) error {
	if maker == nil {
		return s.transact(ctx, ev, writes...)
	}
	if !maker.ExpiresAt.IsZero() {
		var cancel func()
		ctx, cancel = context.WithDeadline(ctx, maker.ExpiresAt)
		defer cancel()
	}
	if !slices.ContainsFunc(written, func(k secrets.Key) bool { return k.ID == maker.ID }) {
		condition, values := unchanged(*maker, maker, ev.At())
		w := s.check(keyKey(maker.AccountID, maker.ID), secrets.ErrChanged)
		w.ConditionCheck.ConditionExpression, w.ConditionCheck.ExpressionAttributeValues = &condition, values
		writes = slices.Insert(writes, 0, w)
	}
	return s.transact(ctx, ev, writes...)
}

// unchanged is the condition that a key is as it was read. The maker's own key must be as it was when it decided, even
// if it was read again since, and must not have expired.
func unchanged(k secrets.Key, maker *secrets.Key, at time.Time) (condition string, values attributes) {
	condition, values = "revision = :read", attributes{":read": number(k.Revision)}
	if maker != nil && k.ID == maker.ID {
		values[":read"] = number(maker.Revision)
		condition += " AND (attribute_not_exists(valid_until) OR valid_until > :at)"
		values[":at"] = text(timeText(at))
	}
	return condition, values
}

// revise changes attributes of a key that is as it was read.
func (s *Store) revise(k secrets.Key, maker *secrets.Key, at time.Time, expression string, values attributes) write {
	condition, more := unchanged(k, maker, at)
	maps.Copy(values, more)
	return s.update(keyKey(k.AccountID, k.ID), expression, condition, nil, values, secrets.ErrChanged)
}

// removeKey deletes a key that is as it was read, with its pointer. What it made remains known.
func (s *Store) removeKey(k secrets.Key, maker *secrets.Key, at time.Time) []write {
	condition, values := unchanged(k, maker, at)
	return []write{
		s.remove(keyKey(k.AccountID, k.ID), condition, nil, values, secrets.ErrChanged),
		s.remove(apiKeyKey(k.Hash), "attribute_exists(PK)", nil, nil, secrets.ErrChanged),
	}
}

// listKeys sets the keys of a user that is as it was read.
func (s *Store) listKeys(u secrets.User, keys []uuid.UUID) write {
	return s.update(userKey(u.AccountID, u.ID), "SET key_ids = :keys, revision = :next", "revision = :read", nil, attributes{
		":keys": idSet(keys).attribute(), ":read": number(u.Revision), ":next": number(u.Revision + 1),
	}, secrets.ErrChanged)
}

// countsPeople is countPeople, if there is anything to count.
func (s *Store) countsPeople(account uuid.UUID, sum secrets.People) []write {
	if sum == (secrets.People{}) {
		return nil
	}
	return []write{s.countPeople(account, sum)}
}

// countPeople changes the numbers of users and keys. ErrFull: there are as many users as an account may have.
// ErrLastAdmin: no key with Admin would be left.
func (s *Store) countPeople(account uuid.UUID, sum secrets.People) write {
	var sums []string
	conditions, names, values := []string{"attribute_exists(PK)"}, map[string]string{}, attributes{}
	for name, n := range map[string]int{"users": sum.Users, "keys": sum.Keys, "admins": sum.Admins} {
		if n != 0 {
			sums = append(sums, "#"+name+" :"+name)
			names["#"+name], values[":"+name] = name, number(int64(n))
		}
	}
	refused := secrets.ErrChanged
	if sum.Users > 0 {
		conditions, refused = append(conditions, "#users < :most"), secrets.ErrFull
		values[":most"] = number(secrets.MaxUsers)
	}
	if sum.Admins < 0 {
		conditions, refused = append(conditions, "#admins > :lost"), secrets.ErrLastAdmin
		values[":lost"] = number(int64(-sum.Admins))
	}
	return s.update(peopleKey(account), "ADD "+strings.Join(sums, ", "), strings.Join(conditions, " AND "), names, values, refused)
}

func without(ids []uuid.UUID, gone uuid.UUID) []uuid.UUID {
	return slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool { return id == gone })
}

type peopleRow struct {
	key
	Users  int `dynamodbav:"users"`
	Keys   int `dynamodbav:"keys"`
	Admins int `dynamodbav:"admins"` // keys with effective admin that do not expire
}

type userRow struct {
	key
	Kind        string `dynamodbav:"kind"`
	Name        string `dynamodbav:"name"`
	Email       string `dynamodbav:"email,omitempty"`
	Permissions string `dynamodbav:"permissions"`
	Secrets     *idSet `dynamodbav:"secrets"`
	RevealLimit int    `dynamodbav:"reveal_limit,omitempty"`
	Keys        idSet  `dynamodbav:"key_ids"`
	Revision    int64  `dynamodbav:"revision"`
	CreatedAt   string `dynamodbav:"created_at"`
	CreatedBy   string `dynamodbav:"created_by,omitempty"`
}

// keyRow is under 4 KB, one read unit, with the longest lists.
type keyRow struct {
	key
	UserID          string `dynamodbav:"user_id"`
	Name            string `dynamodbav:"name"`
	Prefix          string `dynamodbav:"prefix"`
	Hash            []byte `dynamodbav:"hash"`
	Permissions     string `dynamodbav:"permissions"`
	Secrets         *idSet `dynamodbav:"secrets"`
	Invitation      bool   `dynamodbav:"invitation,omitempty"`
	UserKind        string `dynamodbav:"user_kind"`
	UserName        string `dynamodbav:"user_name"`
	UserPermissions string `dynamodbav:"user_permissions"`
	UserSecrets     *idSet `dynamodbav:"user_secrets"`
	CreatedAt       string `dynamodbav:"created_at"`
	CreatedBy       string `dynamodbav:"created_by,omitempty"`
	MadeBy          string `dynamodbav:"made_by,omitempty"`
	ValidUntil      string `dynamodbav:"valid_until,omitempty"` // not the TTL attribute, which would delete without an event
	LastUsedAt      string `dynamodbav:"last_used_at,omitempty"`
	Revision        int64  `dynamodbav:"revision"`
}

// pointerRow leads from the hash of a key's text to its row. It never changes.
type pointerRow struct {
	key
	AccountID string `dynamodbav:"account_id"`
	ID        string `dynamodbav:"id"`
}

// madeRow tells that a key made another one, and whose. It stays after both.
type madeRow struct {
	key
	UserID string `dynamodbav:"user_id"`
}

func (r madeRow) made() (secrets.Made, error) {
	var p parser
	edge := secrets.Made{UserID: p.id(r.UserID)}
	p.lastIDs(r.SK, &edge.Maker, &edge.Key)
	return edge, p.err
}

func newUserRow(u secrets.User) userRow {
	r := userRow{
		key: userKey(u.AccountID, u.ID), Kind: string(u.Kind), Name: u.Name, Email: u.Email,
		Permissions: u.Rights.Permissions.String(), Secrets: limitedTo(u.Rights), RevealLimit: u.RevealLimit,
		Keys: u.Keys, Revision: u.Revision, CreatedAt: timeText(u.CreatedAt), CreatedBy: idText(u.CreatedBy),
	}
	if r.Keys == nil {
		r.Keys = idSet{}
	}
	return r
}

func (r userRow) user() (secrets.User, error) {
	var p parser
	u := secrets.User{
		Kind: secrets.Kind(r.Kind), Name: r.Name, Email: r.Email, Rights: p.rights(r.Permissions, r.Secrets), RevealLimit: r.RevealLimit,
		Keys: r.Keys, Revision: r.Revision, CreatedAt: p.time(r.CreatedAt), CreatedBy: p.optionalID(r.CreatedBy),
	}
	p.lastIDs(r.PK, &u.AccountID)
	p.lastIDs(r.SK, &u.ID)
	return u, p.err
}

func newKeyRow(k secrets.Key) keyRow {
	return keyRow{
		key: keyKey(k.AccountID, k.ID), UserID: k.UserID.String(), Name: k.Name, Prefix: k.Prefix, Hash: k.Hash[:],
		Permissions: k.Rights.Permissions.String(), Secrets: limitedTo(k.Rights), Invitation: k.Invitation,
		UserKind: string(k.User.Kind), UserName: k.User.Name,
		UserPermissions: k.User.Rights.Permissions.String(), UserSecrets: limitedTo(k.User.Rights),
		CreatedAt: timeText(k.CreatedAt), CreatedBy: idText(k.CreatedBy), MadeBy: idText(k.MadeBy),
		ValidUntil: optionalTime(k.ExpiresAt), LastUsedAt: optionalTime(k.LastUsedAt), Revision: k.Revision,
	}
}

func (r keyRow) apiKey() (secrets.Key, error) {
	var p parser
	k := secrets.Key{
		UserID: p.id(r.UserID), Name: r.Name, Prefix: r.Prefix, Rights: p.rights(r.Permissions, r.Secrets), Invitation: r.Invitation,
		User: secrets.Holder{
			Kind: secrets.Kind(r.UserKind), Name: r.UserName, Rights: p.rights(r.UserPermissions, r.UserSecrets),
		},
		CreatedAt: p.time(r.CreatedAt), CreatedBy: p.optionalID(r.CreatedBy), MadeBy: p.optionalID(r.MadeBy),
		ExpiresAt: p.optionalTime(r.ValidUntil), LastUsedAt: p.optionalTime(r.LastUsedAt), Revision: r.Revision,
	}
	copy(k.Hash[:], r.Hash)
	p.lastIDs(r.PK, &k.AccountID)
	p.lastIDs(r.SK, &k.ID)
	return k, p.err
}

// limitedTo encodes what rights are limited to.
func limitedTo(r secrets.Rights) *idSet { return (*idSet)(&r.Secrets) }

// rights decodes permissions, and what they are limited to.
func (p *parser) rights(permissions string, limited *idSet) secrets.Rights {
	set, err := secrets.ParsePermissions(strings.Split(permissions, ",")...)
	if limited == nil { // never taken for all
		limited, err = &idSet{}, errors.New("rights without secrets")
	}
	if p.err == nil {
		p.err = err
	}
	return secrets.Rights{Permissions: set, Secrets: *limited}
}

func (p *parser) optionalID(text string) uuid.UUID {
	if text == "" {
		return uuid.Nil
	}
	return p.id(text)
}

func (p *parser) optionalTime(text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	return p.time(text)
}
