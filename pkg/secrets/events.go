package secrets

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// event begins an event by the caller about a secret.
func (m *Manager) event(c Caller, at time.Time, action string, secret Named) Event {
	return Event{
		ID: NewEventID(at, m.NewID()), AccountID: c.AccountID, Action: action, Outcome: OutcomeAllowed,
		User: Named{c.UserID, c.UserName}, Key: Named{c.KeyID, c.KeyName},
		SourceIP: c.SourceIP, UserAgent: shortened(printable(c.UserAgent)), RequestID: c.RequestID[:min(len(c.RequestID), requestIDBytes)],
		Secret: secret, Token: c.Token,
	}
}

// itemEvent begins an event by the caller about an item.
func (m *Manager) itemEvent(c Caller, at time.Time, action string, secret Secret, it Item) Event {
	ev := m.event(c, at, action, secret.named())
	ev.Item, ev.Version, ev.Revision = Named{it.ID, it.Key}, it.Version, it.Revision
	return ev
}

// revealEvent is the event of a reveal. It fits into one write unit, with the keys of its indexes: that leaves 100
// bytes for each name.
func (m *Manager) revealEvent(c Caller, at time.Time, secret Secret, it Item) Event {
	ev := m.itemEvent(c, at, ItemRevealed, secret, it)
	for _, x := range []*Named{&ev.User, &ev.Key, &ev.Secret, &ev.Item} {
		x.Name = shortened(x.Name)
	}
	return ev
}

// serviceEvent begins an event by the caller about a service, which uses a secret.
func (m *Manager) serviceEvent(c Caller, at time.Time, action string, secret Secret, s Service) Event {
	ev := m.event(c, at, action, secret.named())
	ev.Service, ev.Revision = Named{s.ID, s.Name}, s.Version
	return ev
}

// userEvent begins an event by the caller about a user.
func (m *Manager) userEvent(c Caller, at time.Time, action string, u User) Event {
	ev := m.event(c, at, action, Named{})
	ev.AccountID, ev.SubjectUser = u.AccountID, Named{u.ID, u.Name}
	return ev
}

// keyEvent begins an event by the caller about a key.
func (m *Manager) keyEvent(c Caller, at time.Time, action string, k Key) Event {
	ev := m.event(c, at, action, Named{})
	ev.AccountID, ev.SubjectUser, ev.SubjectKey = k.AccountID, Named{k.UserID, k.User.Name}, Named{k.ID, k.Name}
	return ev
}

func (s Secret) named() Named { return Named{s.ID, s.Name} }

// creates records what a creation gave, by field.
func (ev Event) creates(fields map[string]string) Event {
	_, _, ev.To = differences(nil, fields)
	return ev
}

// deletes records what a deletion took, by field.
func (ev Event) deletes(fields map[string]string) Event {
	_, ev.From, _ = differences(fields, nil)
	return ev
}

// until records until when what was deleted can be restored.
func (ev Event) until(d Deleted) Event {
	if !d.Claimed {
		ev.To = map[string]string{"restorable_until": d.Due.Format(time.RFC3339)}
	}
	return ev
}

// changes records what a change replaced and gave, by field.
func (ev Event) changes(before, after map[string]string) Event {
	ev.Changed, ev.From, ev.To = differences(before, after)
	return ev
}

// differences returns the fields that differ, sorted, and what they had before and after. A field that is missing
// is "".
func differences(before, after map[string]string) (changed []string, from, to map[string]string) {
	all := maps.Clone(after)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, before)
	from, to = map[string]string{}, map[string]string{}
	for _, field := range slices.Sorted(maps.Keys(all)) {
		if before[field] != after[field] {
			changed = append(changed, field)
			from[field], to[field] = before[field], after[field]
		}
	}
	return changed, from, to
}

// shownBytes is the longest text that a reveal's event keeps of a name, and any event of a user agent.
const shownBytes = 100

// requestIDBytes is the size of an id that API Gateway makes. Clients can send another one.
const requestIDBytes = 36

// printable replaces what is no text, or could do something to a terminal or to the text around it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}

// shortened cuts a long text at the end of a character.
func shortened(text string) string {
	const ellipsis = "…"
	if len(text) <= shownBytes {
		return text
	}
	cut := shownBytes - len(ellipsis)
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}
