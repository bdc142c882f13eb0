package secrets

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// EventsInput is what a caller asks of the audit trail. What is not given: any.
type EventsInput struct {
	SecretID, ItemID string // of the route; empty: the account's events

	Action, User, Key, Secret, Outcome, Since, Until Field
}

// maxQueries is how many queries one request to the trail or the review makes at most.
const maxQueries = 10

// settling is how old an event is before a poller gets it, at least. A poller asks for what follows the last id that
// it has, so no event may appear before that id later. An event gets its id from the clock of its function, and is
// written within 10 seconds: a function behind a route ends by then, and the store ends the write in others. The rest
// is for clocks that differ, by up to 20 seconds, and for an index that lags behind. A row of refused tries changes
// during its minute, so whole minutes settle.
const settling = 30 * time.Second

const (
	msgSince  = "Must be a time with an offset, or the id of an event."
	msgUserID = "Must be a valid UUID, or me."
)

// ListEvents returns a page of events and refused tries, newest first, without a count. A page may be shorter than
// size, even empty, when it has Next: the trail goes on there.
//
// Since is a time, or the id of an event that a poller got last: then the page has only events that have settled, so
// that nothing appears before its ids later. ErrDenied: without Audit, the events of other users. A key without Audit
// that may do less than its user sees only the events that were made with it.
func (m *Manager) ListEvents(ctx context.Context, c Caller, in EventsInput, from Cursor, size int) (Page[Event], error) {
	isOwn := in.User.text == "me" || strings.EqualFold(in.User.text, c.UserID.String())
	needed := Audit
	if isOwn {
		needed = anyKey
	}
	on, err := m.gate(ctx, c, needed, in.object())
	if err != nil {
		return Page[Event]{}, err
	}
	match, ids, err := in.parse(c, on)
	if err != nil {
		return Page[Event]{}, err
	}
	if in.isOfNothing(match) {
		return Page[Event]{}, nil
	}
	if !c.Rights.Permissions.Has(Audit) {
		k, _, err := m.authority(ctx, c, anyKey)
		if err != nil {
			return Page[Event]{}, err
		}
		if isNarrow := !k.Granted().equal(k.User.Rights); isNarrow {
			if match.Key != uuid.Nil && match.Key != k.ID {
				return Page[Event]{}, nil
			}
			match.Key = k.ID
		}
	}
	if isPolled := in.Since.given && ids.since.IsZero(); isPolled {
		ids.high = least(ids.high, idBefore(firstEventID(m.now().Add(-settling).Truncate(time.Minute))))
	}
	events, refused := ids.query(from), ids.refusedQuery(from)
	events.AccountID, events.Match, events.Trail = c.AccountID, match, match.trail()
	refused.AccountID, refused.Match, refused.Trail = c.AccountID, match, RefusedTries
	var parts []*part
	if match.Outcome == "" || match.Outcome == OutcomeAllowed {
		parts = append(parts, &part{EventQuery: events})
	}
	if match.Outcome != OutcomeAllowed {
		parts = append(parts, &part{EventQuery: refused, keep: ids.includes})
	}
	found, reached, err := m.merge(ctx, parts, size)
	if err != nil {
		return Page[Event]{}, fmt.Errorf("list events: %w", err)
	}
	if c.Rights.Permissions&(Audit|List) == 0 {
		hideNames(found)
	}
	return eventPage(found, reached, from), nil
}

// hideNames removes the names of what a key without List did something to. The users and keys are its own.
func hideNames(events []Event) {
	for i := range events {
		ev := &events[i]
		if ev.Secret.ID != uuid.Nil { // of an item and a service, too
			ev.Secret.Name, ev.Item.Name, ev.Service.Name, ev.From, ev.To = "", "", "", nil, nil
			for i := range ev.Items {
				ev.Items[i].Item.Name = ""
			}
		}
	}
}

func (in EventsInput) object() object {
	switch {
	case in.ItemID != "":
		return ofItem(in.SecretID, in.ItemID)
	case in.SecretID != "":
		return ofSecret(in.SecretID)
	}
	return ofAccount()
}

// idRange is a part of the trail: ids, and the times that rows of refused tries are held against.
type idRange struct {
	low, high    uuid.UUID
	since, until time.Time // zero: not given
}

// parse checks what a caller asks for.
func (in EventsInput) parse(c Caller, on scope) (match EventMatch, ids idRange, err error) {
	var f faults
	var messages []string
	match.Secret, match.Item = on.secret, on.item
	if in.Action.given {
		match.Action, messages = in.Action.choiceNamed(Actions)
		f.add("action", messages)
	}
	if in.Outcome.given {
		var outcome string
		outcome, messages = in.Outcome.choiceNamed(Outcomes)
		match.Outcome = Outcome(outcome)
		f.add("outcome", messages)
	}
	id := func(name, message string, in Field, into *uuid.UUID) {
		if !in.given {
			return
		}
		if *into, err = parseID(in.text); err != nil {
			f.add(name, []string{message})
		}
	}
	id("key", msgBadUUID, in.Key, &match.Key)
	id("secret", msgBadUUID, in.Secret, &match.Secret)
	if in.User.text == "me" {
		match.User = c.UserID
	} else {
		id("user", msgUserID, in.User, &match.User)
	}
	ids.high = uuid.Max
	if in.Since.given {
		if after, err := parseID(in.Since.text); err == nil {
			ids.low = idAfter(after)
		} else if ids.since, messages = in.Since.moment(); messages != nil {
			f.add("since", []string{msgSince})
		} else {
			ids.low = firstEventID(ids.since)
		}
	}
	if in.Until.given {
		ids.until, messages = in.Until.moment()
		f.add("until", messages)
		ids.high = idBefore(firstEventID(ids.until))
	}
	return match, ids, f.err()
}

// isOfNothing reports whether an id that was given is zero, which nothing has. In a match it would mean any.
func (in EventsInput) isOfNothing(match EventMatch) bool {
	return in.User.given && match.User == uuid.Nil || in.Key.given && match.Key == uuid.Nil ||
		(in.Secret.given || in.SecretID != "") && match.Secret == uuid.Nil || in.ItemID != "" && match.Item == uuid.Nil
}

// trail is the smallest part that has all events that match.
func (match EventMatch) trail() Trail {
	switch {
	case match.Secret != uuid.Nil:
		return EventsOfSecret
	case match.User != uuid.Nil:
		return EventsOfUser
	}
	return EventsOfAccount
}

// query asks for the range on one side of a cursor.
func (r idRange) query(from Cursor) EventQuery {
	q := EventQuery{Low: r.low, High: r.high, Backward: from.Backward || from == Cursor{}}
	switch {
	case from == Cursor{}:
	case from.Backward:
		q.High = least(q.High, idBefore(from.ID))
	default:
		q.Low = greatest(q.Low, idAfter(from.ID))
	}
	return q
}

// refusedQuery is query for rows of refused tries, whose ids are the beginning of their minute. Between times that leave
// nothing between them there is no minute either.
func (r idRange) refusedQuery(from Cursor) EventQuery {
	if !r.since.IsZero() && (r.until.IsZero() || r.since.Before(r.until)) {
		r.low = firstEventID(r.since.Truncate(time.Minute))
	}
	return r.query(from)
}

// includes reports whether refused tries reach into the times.
func (r idRange) includes(ev Event) bool {
	return (r.since.IsZero() || !ev.Last.Before(r.since)) && (r.until.IsZero() || ev.First.Before(r.until))
}

// part is a part of the trail that is being read.
type part struct {
	EventQuery
	keep func(Event) bool // nil: all

	read    []Event   // not taken yet
	reached uuid.UUID // what was read until here is known; zero: nothing was read yet, or all
	ended   bool      // all was read
}

// before reports whether a comes before b, as the part is read.
func (p *part) before(a, b uuid.UUID) bool { return Cursor{Backward: p.Backward}.compare(a, b) < 0 }

// fetch makes one query.
func (p *part) fetch(ctx context.Context, store Events) error {
	if slices.Compare(p.Low[:], p.High[:]) > 0 {
		p.ended = true
		return nil
	}
	found, reached, err := store.Events(ctx, p.EventQuery)
	if err != nil {
		return err
	}
	p.read = append(p.read, found...)
	if p.keep != nil {
		p.read = slices.DeleteFunc(p.read, func(ev Event) bool { return !p.keep(ev) })
	}
	p.reached, p.ended = reached, reached == uuid.Nil
	if p.Backward {
		p.High = idBefore(reached)
	} else {
		p.Low = idAfter(reached)
	}
	return nil
}

// merge reads parts of the trail in one order, up to size events, with up to maxQueries. reached is the id until which
// everything is known; zero: all is read.
func (m *Manager) merge(ctx context.Context, parts []*part, size int) (found []Event, reached uuid.UUID, err error) {
	for _, p := range parts {
		p.Most = size + 1
		if p.Match.filters(p.Trail) {
			p.Most *= 4
		}
	}
	for queries := 0; ; {
		var next *part // whose event is nearest
		for _, p := range parts {
			if len(p.read) > 0 && (next == nil || p.before(p.read[0].ID, next.read[0].ID)) {
				next = p
			}
		}
		// It can be taken if no other part may still have a nearer one.
		var missing []*part
		for _, p := range parts {
			if len(p.read) == 0 && !p.ended && (next == nil || p.reached == uuid.Nil || p.before(p.reached, next.read[0].ID)) {
				missing = append(missing, p)
			}
		}
		switch {
		case len(found) == size && (next != nil || len(missing) > 0):
			return found, found[size-1].ID, nil
		case len(missing) == 0 && next == nil:
			return found, uuid.Nil, nil
		case len(missing) == 0:
			found, next.read = append(found, next.read[0]), next.read[1:]
		case queries+len(missing) > maxQueries:
			return found, nearest(missing), nil
		default:
			var g errgroup.Group
			for _, p := range missing {
				g.Go(func() error { return p.fetch(ctx, m.Store) })
			}
			if err := g.Wait(); err != nil {
				return nil, uuid.Nil, err
			}
			for _, p := range missing {
				p.Most = 0 // what is left is rare, or far: a call looks at a megabyte
			}
			queries += len(missing)
		}
	}
}

// filters reports whether a part of the trail has events that do not match.
func (match EventMatch) filters(t Trail) bool {
	switch t {
	case EventsOfSecret:
		match.Secret = uuid.Nil
	case EventsOfUser:
		match.User = uuid.Nil
	}
	if t != RefusedTries {
		match.Outcome = ""
	}
	return match != EventMatch{}
}

// nearest is the end of the part of which least is known.
func nearest(parts []*part) uuid.UUID {
	return slices.MinFunc(parts, func(a, b *part) int { return Cursor{Backward: a.Backward}.compare(a.reached, b.reached) }).reached
}

// eventPage is the page of what was read from a cursor on, nearest first, until reached; zero: all of it.
func eventPage(found []Event, reached uuid.UUID, from Cursor) Page[Event] {
	var p Page[Event]
	more := reached != uuid.Nil
	back := &Cursor{ID: idBefore(from.ID)} // the way back includes what is at the cursor
	if from.Backward || from == (Cursor{}) {
		if more {
			p.Next = &Cursor{Backward: true, ID: reached}
		}
		if len(found) > 0 {
			back.ID = found[0].ID
		}
		if from != (Cursor{}) {
			p.Previous = back
		}
	} else {
		slices.Reverse(found)
		if more {
			p.Previous = &Cursor{ID: reached}
		}
		p.Next = &Cursor{Backward: true, ID: idAfter(from.ID)}
		if len(found) > 0 {
			p.Next.ID = found[len(found)-1].ID
		}
	}
	p.Results = found
	return p
}

// idBefore is the next smaller id, if there is one.
func idBefore(id uuid.UUID) uuid.UUID {
	if id == uuid.Nil {
		return id
	}
	return predecessor(id)
}

// idAfter is the next greater id, if there is one.
func idAfter(id uuid.UUID) uuid.UUID {
	if id == uuid.Max {
		return id
	}
	return successor(id)
}

func least(a, b uuid.UUID) uuid.UUID {
	if compareIDs(a, b) <= 0 {
		return a
	}
	return b
}

func greatest(a, b uuid.UUID) uuid.UUID {
	if compareIDs(a, b) >= 0 {
		return a
	}
	return b
}
