package secrets

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Checks of a review, in the order in which it looks.
const (
	RefusedMost     = "refused_most"      // a user with refused tries in the last week
	UserWithAdmin   = "user_with_admin"   // a user with Admin
	KeyUnused       = "key_unused"        // a key that was not used for 90 days, nor made since
	KeyNeverExpires = "key_never_expires" // a key without an end
	SecretUnused    = "secret_unused"     // a secret that no service uses
	ValueNotRead    = "value_not_read"    // a value that was not read for 90 days, nor made since
	ValueNotRotated = "value_not_rotated" // a value that is older than 180 days
)

const (
	refusedWeek   = 7 * 24 * time.Hour
	refusedUsers  = 10
	unusedAfter   = 90 * 24 * time.Hour
	rotatedWithin = 180 * 24 * time.Hour
	reviewedRows  = 100 // that one query reads: 2,000 findings with the longest names fit into an answer
)

// Finding is something to look at.
type Finding struct {
	Check  string
	User   Named
	Key    Named
	Secret Named
	Item   Named
	At     time.Time // the last use, read or rotation; of RefusedMost, how far back it counted; zero: never
	Tries  int       // of RefusedMost
}

// Review is a page of findings, and how far it came in the list that it looked at last.
type Review struct {
	Findings []Finding
	List     string // users, keys or secrets
	Done, Of int    // objects of the list
	Next     *ReviewCursor
}

// ReviewCursor is where a review goes on: in which step, after which object, and how many are done. It carries no
// account.
type ReviewCursor struct {
	step  byte
	done  uint32
	after uuid.UUID // of the step's list
	item  uuid.UUID // of the secret that follows after
}

// Steps of a review.
const (
	reviewRefused byte = iota
	reviewUsers
	reviewKeys
	reviewSecrets
	reviewed
)

// String encodes the cursor in base64url.
func (c ReviewCursor) String() string {
	b := binary.BigEndian.AppendUint32([]byte{c.step}, c.done)
	return base64.RawURLEncoding.EncodeToString(append(append(b, c.after[:]...), c.item[:]...))
}

// ParseReviewCursor decodes the result of String. Any other text is ErrInvalidCursor.
func ParseReviewCursor(text string) (ReviewCursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 1+4+16+16 || b[0] >= reviewed {
		return ReviewCursor{}, ErrInvalidCursor
	}
	return ReviewCursor{b[0], binary.BigEndian.Uint32(b[1:]), uuid.UUID(b[5:21]), uuid.UUID(b[21:])}, nil
}

// comes counts objects of a list up to the last one. When the list has ended, it goes to the next step.
func (r *Review) comes(at *ReviewCursor, list string, done, of int, last uuid.UUID, isEnd bool) {
	at.done += uint32(done)
	r.List, r.Done, r.Of = list, int(at.done), of
	if at.after, at.item = last, uuid.Nil; isEnd {
		*at = ReviewCursor{step: at.step + 1}
	}
}

// Review returns what an account should look at, from a cursor on. A page makes up to 10 queries, and can be empty; Next
// is nil when everything was looked at. What changes meanwhile may be missed or counted twice.
func (m *Manager) Review(ctx context.Context, c Caller, from ReviewCursor) (r Review, err error) {
	if _, err := m.gate(ctx, c, Audit, ofAccount()); err != nil {
		return Review{}, err
	}
	at := from
	for queries := 0; at.step != reviewed && queries < maxQueries; {
		var used int
		switch at.step {
		case reviewRefused:
			used, err = m.reviewRefused(ctx, c, &at, &r)
		case reviewUsers:
			used, err = m.reviewUsers(ctx, c, &at, &r)
		case reviewKeys:
			used, err = m.reviewKeys(ctx, c, &at, &r)
		default:
			used, err = m.reviewSecrets(ctx, c, &at, &r, maxQueries-queries)
		}
		if err != nil {
			return Review{}, fmt.Errorf("review: %w", err)
		}
		queries += used
	}
	if at.step != reviewed {
		r.Next = &at
	}
	return r, nil
}

// reviewRefused finds the users with most refused tries.
func (m *Manager) reviewRefused(ctx context.Context, c Caller, at *ReviewCursor, r *Review) (queries int, err error) {
	since := m.now().Add(-refusedWeek)
	p := &part{EventQuery: EventQuery{
		AccountID: c.AccountID, Trail: RefusedTries, Low: firstEventID(since), High: uuid.Max, Backward: true,
	}}
	tries := map[uuid.UUID]Finding{}
	for ; !p.ended && queries < maxQueries-1; queries++ { // the next step needs one
		p.read = nil
		if err := p.fetch(ctx, m.Store); err != nil {
			return queries, err
		}
		for _, ev := range p.read {
			f, known := tries[ev.User.ID]
			if !known { // the newest name
				f = Finding{Check: RefusedMost, User: ev.User}
			}
			f.Tries += ev.Tries
			tries[ev.User.ID] = f
		}
	}
	if !p.ended {
		since = eventTime(p.reached)
	}
	found := slices.SortedFunc(maps.Values(tries), func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Tries, a.Tries), compareIDs(a.User.ID, b.User.ID))
	})
	for _, f := range found[:min(len(found), refusedUsers)] {
		f.At = since
		r.Findings = append(r.Findings, f)
	}
	*at = ReviewCursor{step: reviewUsers}
	return queries, nil
}

func (m *Manager) reviewUsers(ctx context.Context, c Caller, at *ReviewCursor, r *Review) (queries int, err error) {
	users, count, err := m.Store.Users(ctx, c.AccountID, Cursor{ID: at.after}, reviewedRows)
	if err != nil {
		return 0, err
	}
	for _, u := range users {
		if u.Rights.Permissions.Has(Admin) {
			r.Findings = append(r.Findings, Finding{Check: UserWithAdmin, User: Named{u.ID, u.Name}, At: u.CreatedAt})
		}
	}
	r.comes(at, "users", len(users), count, lastOf(users, func(x User) uuid.UUID { return x.ID }), len(users) < reviewedRows)
	return 1, nil
}

func (m *Manager) reviewKeys(ctx context.Context, c Caller, at *ReviewCursor, r *Review) (queries int, err error) {
	keys, count, err := m.Store.Keys(ctx, c.AccountID, Cursor{ID: at.after}, reviewedRows)
	if err != nil {
		return 0, err
	}
	now := m.now()
	for _, k := range keys {
		f := Finding{User: Named{k.UserID, k.User.Name}, Key: Named{k.ID, k.Name}, At: k.LastUsedAt}
		if k.Invitation || k.expired(now) {
			continue
		}
		if latest(k.LastUsedAt, k.CreatedAt).Before(now.Add(-unusedAfter)) {
			f.Check = KeyUnused
			r.Findings = append(r.Findings, f)
		}
		if k.ExpiresAt.IsZero() {
			f.Check = KeyNeverExpires
			r.Findings = append(r.Findings, f)
		}
	}
	r.comes(at, "keys", len(keys), count, lastOf(keys, func(x Key) uuid.UUID { return x.ID }), len(keys) < reviewedRows)
	return 1, nil
}

// reviewSecrets looks at some secrets and their items, with up to most queries.
func (m *Manager) reviewSecrets(ctx context.Context, c Caller, at *ReviewCursor, r *Review, most int) (queries int, err error) {
	limit := max(most-1, 1)
	found, count, err := m.Store.Secrets(ctx, c.AccountID, Cursor{ID: at.after}, limit)
	if err != nil {
		return 0, err
	}
	isEnd := len(found) < limit
	if len(found) == 0 {
		r.comes(at, "secrets", 0, count, at.after, true)
	}
	for queries = 1; len(found) > 0 && queries < most; queries++ {
		secret := found[0]
		parent, items, err := m.Store.Items(ctx, c.AccountID, secret.ID, Cursor{ID: at.item}, reviewedRows)
		if err != nil && !isNotFound(err) { // deleted meanwhile
			return queries, err
		}
		if err == nil && at.item == uuid.Nil && secret.Services == 0 {
			r.Findings = append(r.Findings, Finding{Check: SecretUnused, Secret: secret.named(), At: secret.CreatedAt})
		}
		m.reviewItems(secret, readBy(items, parent.Exported), r)
		if len(items) == reviewedRows {
			at.item = items[len(items)-1].ID
			continue
		}
		found = found[1:]
		r.comes(at, "secrets", 1, count, secret.ID, isEnd && len(found) == 0)
	}
	return queries, nil
}

func (m *Manager) reviewItems(secret Secret, items []Item, r *Review) {
	now := m.now()
	for _, it := range items {
		f := Finding{Secret: secret.named(), Item: Named{it.ID, it.Key}}
		if latest(it.LastAccessedAt, it.CreatedAt).Before(now.Add(-unusedAfter)) {
			f.Check, f.At = ValueNotRead, it.LastAccessedAt
			r.Findings = append(r.Findings, f)
		}
		if it.ValueAt.Before(now.Add(-rotatedWithin)) {
			f.Check, f.At = ValueNotRotated, it.ValueAt
			r.Findings = append(r.Findings, f)
		}
	}
}

// lastOf is the last id of a list, or none.
func lastOf[T any](list []T, id func(T) uuid.UUID) uuid.UUID {
	if len(list) == 0 {
		return uuid.Nil
	}
	return id(list[len(list)-1])
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
