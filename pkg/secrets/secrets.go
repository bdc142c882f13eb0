// Package secrets is the domain: accounts that keep secrets, secrets that hold
// items, and the rules and the order of steps of every operation on them.
//
// It knows no HTTP, no DynamoDB and no KMS. What it needs of the world it names
// as ports ([Store], [Sealer], [Target], [Monitor]) and fields (time, ids, randomness); package app
// fills them in. Words have one meaning each, here and everywhere else:
//
//	account   the tenant; sees nothing of another account
//	user      who; a UUID
//	key       an API key, "gob_…", of one user of one account
//	secret    a named bundle of items
//	item      one key and its value; the value has versions
//	service   a workload that uses a secret; here it is a Workload, since Service is
//	          the product's own
//	bundle    all items of a secret, as it is delivered to where its services run
//	reveal    a read of one value: charged, recorded, then answered
//	caller    account, user and key behind a request
//	event     an entry of the audit trail
//	budget    the reveals a user has left
package secrets

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// Service holds every operation of the product. Its methods are safe for
// concurrent use. All fields are required.
type Service struct {
	Store   Store
	Sealer  Sealer
	Target  Target // only of what delivers; elsewhere it is never asked
	Monitor Monitor

	Delivers   bool          // secrets that services use are delivered to a Target
	ReadLimit  int           // reveals a user may make in any ReadWindow
	ReadWindow time.Duration // whole seconds

	Now   func() time.Time
	NewID func() uuid.UUID // version 7, so that ids sort by creation
	Rand  io.Reader        // cryptographic: API keys come from it
	Log   *slog.Logger
}

// Caller is the proven identity behind a request, and where it came from.
type Caller struct {
	AccountID uuid.UUID
	UserID    uuid.UUID
	KeyID     uuid.UUID
	SourceIP  string
	RequestID string
}

// Sealer encrypts values. What it seals under a set of facts opens under the
// same facts only, so a blob that was moved to another place stays shut.
type Sealer interface {
	Seal(ctx context.Context, facts map[string]string, plaintext []byte) (blob []byte, err error)
	Open(ctx context.Context, facts map[string]string, blob []byte) (plaintext []byte, err error)
}

// Monitor is told what operators watch. It neither fails nor waits.
type Monitor interface {
	Revealed(ctx context.Context, took RevealTimes) // a value leaves
	Throttled(ctx context.Context)                  // a reveal was refused by the budget
	Denied(ctx context.Context)                     // a request came without a valid key

	Delivered(ctx context.Context, lag time.Duration) // a bundle became current, so long after its last change
	DeliveryFailed(ctx context.Context)               // an attempt to deliver failed
}

// Store keeps everything durably. It holds no rules: it does what it is told,
// each write whole or not at all, and reads what was last written.
//
// Missing things are [ErrNotFound], outages wrap [ErrUnavailable]. A write that
// rests on something read earlier (its "old") answers [ErrChanged] when that is
// no longer so. Writes append their event in the same transaction.
type Store interface {
	Accounts
	Secrets
	Items
	Workloads
	Reads
	Deliveries
	Purges
}

// Accounts is the part of a [Store] that keeps accounts and their API keys.
type Accounts interface {
	// CreateAccount adds an account with its default secret and first key.
	// ErrExists: the name is taken.
	CreateAccount(ctx context.Context, a Account, def Secret, k APIKey, ev Event) error
	// APIKey finds a key by the SHA-256 of its text.
	APIKey(ctx context.Context, hash KeyHash) (APIKey, error)
	Account(ctx context.Context, account uuid.UUID) (Account, error)
	// Accounts lists all of them.
	Accounts(ctx context.Context) ([]uuid.UUID, error)
}

// Secrets is the part of a [Store] that keeps secrets.
type Secrets interface {
	Secret(ctx context.Context, account, secret uuid.UUID) (Secret, error)
	// Secrets reads up to limit secrets of the account on one side of from,
	// nearest first, and the number of all of them.
	Secrets(ctx context.Context, account uuid.UUID, from Cursor, limit int) (found []Secret, count int, err error)
	// CreateSecret: ErrExists when the name is taken.
	CreateSecret(ctx context.Context, s Secret, ev Event) error
	// RenameSecret: ErrExists when the new name is taken.
	RenameSecret(ctx context.Context, c Change, ev Event) error
	// DeleteSecret removes a secret that no service uses, and leaves a purge for its
	// children. ErrChanged: one does.
	DeleteSecret(ctx context.Context, old Secret, ev Event) error
}

// Items is the part of a [Store] that keeps items and their sealed values.
type Items interface {
	// Item reads an item and its secret. ErrNotFound: either is gone.
	Item(ctx context.Context, account, secret, item uuid.UUID) (Secret, Item, error)
	// Items is to items what Secrets is to secrets. ErrNotFound: no such secret.
	Items(ctx context.Context, account, secret uuid.UUID, from Cursor, limit int) (found []Item, count int, err error)
	// CreateItem: ErrExists when the key is taken.
	CreateItem(ctx context.Context, c Change, it Item, sealed []byte, ev Event) error
	// UpdateItem replaces old by updated, and the value's blob too when the
	// version has moved. ErrExists: the key is taken.
	UpdateItem(ctx context.Context, c Change, old, updated Item, sealed []byte, ev Event) error
	DeleteItem(ctx context.Context, c Change, old Item, ev Event) error
}

// Workloads is the part of a [Store] that keeps services.
type Workloads interface {
	Workload(ctx context.Context, account, workload uuid.UUID) (Workload, error)
	// Workloads is to services what Secrets is to secrets.
	Workloads(ctx context.Context, account uuid.UUID, from Cursor, limit int) (found []Workload, count int, err error)
	// Users is Workloads for those that use a secret. ErrNotFound: no such secret.
	Users(ctx context.Context, account, secret uuid.UUID, from Cursor, limit int) (found []Workload, count int, err error)
	// CreateWorkload: ErrExists when the name is taken.
	CreateWorkload(ctx context.Context, attach Change, w Workload, ev Event) error
	// UpdateWorkload replaces old by updated; changes are those of the secrets that it
	// leaves and comes to, if it does. ErrExists: the name is taken.
	UpdateWorkload(ctx context.Context, changes []Change, old, updated Workload, ev Event) error
	DeleteWorkload(ctx context.Context, detach Change, old Workload, ev Event) error
}

// Reads is the part of a [Store] that a reveal needs.
type Reads interface {
	// ChargeRead adds now to the user's reads unless the limit-th newest of them
	// is younger than the window. It returns the reads that are kept, newest first,
	// and whether now is among them. It charges once at most; after an error it may
	// or may not have.
	ChargeRead(ctx context.Context, account, user uuid.UUID, now time.Time, limit int, window time.Duration) (reads []time.Time, charged bool, err error)
	// ReadTimes is the user's reads that are kept, newest first; at first none.
	ReadTimes(ctx context.Context, account, user uuid.UUID) ([]time.Time, error)
	// TrimReads drops reads behind the newest limit, of have that there were, whatever
	// is added meanwhile: all of them, or of very many the oldest.
	TrimReads(ctx context.Context, account, user uuid.UUID, limit, have int) error
	SealedValue(ctx context.Context, account, secret, item uuid.UUID) (SealedValue, error)
	// StampRead records who read the item last, and returns it as it then is.
	StampRead(ctx context.Context, account, secret, item uuid.UUID, at time.Time, by uuid.UUID) (Item, error)
	// AppendEvent is for what changes nothing else; writes bring their own.
	AppendEvent(ctx context.Context, ev Event) error
}

// Deliveries is the part of a [Store] that remembers what is not delivered yet: a
// change that asks for it is on a list from its own transaction on, until what it
// asked for is done.
type Deliveries interface {
	// Undelivered is the change of a secret that waits. ErrNotFound: none does.
	Undelivered(ctx context.Context, account, secret uuid.UUID) (Undelivered, error)
	// AllUndelivered lists them, of all accounts.
	AllUndelivered(ctx context.Context) ([]Undelivered, error)
	// Enlist puts a secret on the list, in place of a change that waits.
	Enlist(ctx context.Context, u Undelivered) error
	// Remind has those who listen to changes told once more. What does not wait is left alone.
	Remind(ctx context.Context, u Undelivered) error
	// Settle takes a change off the list. ErrChanged: a newer one waits.
	Settle(ctx context.Context, u Undelivered) error

	// Delivery is what is known of the deliveries of a secret; at first nothing.
	Delivery(ctx context.Context, account, secret uuid.UUID) (Delivery, error)
	// BeginDelivery takes turns: it moves on from what was read, and is ErrChanged for
	// all but one of several. ErrNotFound: the secret is gone.
	BeginDelivery(ctx context.Context, begun Delivery) error
	// EndDelivery gives the turn back, if begun still has it.
	EndDelivery(ctx context.Context, begun Delivery, failure string) error
	// MarkDelivered notes the revision that services take now; MarkUndelivered that
	// they take none, MarkFailed that a delivery failed. A secret that is gone is left
	// alone, and so is a higher revision.
	MarkDelivered(ctx context.Context, account, secret uuid.UUID, revision int64) error
	MarkUndelivered(ctx context.Context, account, secret uuid.UUID) error
	MarkFailed(ctx context.Context, account, secret uuid.UUID) error
	// RaiseRevision gives a secret a revision. ErrChanged: it has another than old's.
	RaiseRevision(ctx context.Context, old Secret, revision int64) error
	// SealedItems reads all items of a secret and their values. What changes meanwhile
	// can be in it or not, and a value's version can differ from its item's.
	SealedItems(ctx context.Context, account, secret uuid.UUID) ([]SealedItem, error)
}

// Purges is the part of a [Store] that removes what deleted secrets left behind.
type Purges interface {
	// Purges lists secrets that are deleted but whose children may remain.
	Purges(ctx context.Context) ([]Purge, error)
	// Purge removes the children, then the purge itself. It may be interrupted
	// and called again at any time, also concurrently.
	Purge(ctx context.Context, p Purge) error
}

// patience is for how long an operation starts over when others keep changing
// what it has read. A function's timeout has room for it and for the store's own.
const patience = 3 * time.Second

// untilUnchanged calls try until it returns anything but ErrChanged. Each call
// reads afresh; one of several rivals always gets through.
func untilUnchanged(ctx context.Context, try func() error) error {
	for deadline := time.Now().Add(patience); ; {
		err := try()
		if !errors.Is(err, ErrChanged) {
			return err
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return errors.Join(ErrUnavailable, err)
		}
		time.Sleep(rand.N(10 * time.Millisecond))
	}
}

// now is the time of an operation, in the resolution that is stored and shown.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// parseID accepts a UUID's canonical text, in either case, and nothing else.
func parseID(text string) (uuid.UUID, error) {
	if len(text) != 36 { // the other forms that uuid.Parse takes are not ids here
		return uuid.UUID{}, ErrNotFound
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.UUID{}, ErrNotFound
	}
	return id, nil
}

// parseIDs is parseID for a secret and an item of it.
func parseIDs(secret, item string) (secretID, itemID uuid.UUID, err error) {
	if secretID, err = parseID(secret); err != nil {
		return
	}
	itemID, err = parseID(item)
	return
}
