package secrets

import (
	"encoding/binary"
	"slices"
	"time"
)

// History is the list of an item's versions that are kept, the current one included, in the order in which they
// stopped being current. It is part of the item's row, which each reveal stamps, so it is short. It is a string, so
// that items can be compared:
//
//	uvarint  the highest number in the list
//	uvarint  the newest hour of creation, in hours since 1970
//	for each version:
//	  uvarint  the highest number - its number
//	  byte     its slot
//	  byte     the newest hour - its hour of creation, at most 25
//
// A slot is a row for a version. An update writes the new version over the slot of one that it drops: a put and a
// deletion would cost twice as much.
type History string

// Limits of what is kept.
const (
	maxKept   = 100 // versions, beside the current one
	maxDrops  = 20  // versions that one transaction removes
	sureHours = 25  // age in started hours; a version is then older than a day
)

// Slot is a row for a version of an item's value.
type Slot struct {
	Number  int
	Version int64 // that the slot has; 0: none
}

// kept is an entry of a history.
type kept struct {
	Slot
	hour int64 // of its creation
}

func startedHour(t time.Time) int64 { return t.Unix() / 3600 }

func encodeHistory(list []kept) History {
	var highest, newest int64
	for _, v := range list {
		highest, newest = max(highest, v.Version), max(newest, v.hour)
	}
	b := binary.AppendUvarint(nil, uint64(highest))
	b = binary.AppendUvarint(b, uint64(newest))
	for _, v := range list {
		b = binary.AppendUvarint(b, uint64(highest-v.Version))
		b = append(b, byte(v.Slot.Number), byte(min(newest-v.hour, sureHours)))
	}
	return History(b)
}

// list decodes the history. What is malformed ends it.
func (h History) list() (list []kept) {
	b := []byte(h)
	next := func() int64 {
		n, size := binary.Uvarint(b)
		b = b[max(size, 0):]
		return int64(n)
	}
	highest, newest := next(), next()
	for len(b) >= 3 {
		number := highest - next()
		if len(b) < 2 {
			break
		}
		list = append(list, kept{Slot{int(b[0]), number}, newest - int64(b[1])})
		b = b[2:]
	}
	return list
}

// Numbers are the numbers of the kept versions, the current one last.
func (h History) Numbers() (numbers []int64) {
	for _, v := range h.list() {
		numbers = append(numbers, v.Version)
	}
	return numbers
}

// slot returns the slot that has a version.
func (h History) slot(version int64) (s Slot, exists bool) {
	for _, v := range h.list() {
		if v.Version == version {
			return v.Slot, true
		}
	}
	return Slot{}, false
}

// add makes a new version current, and returns the slot to write it into, with the version that it replaces there,
// and the slots to remove. Beside the current version it keeps as many as keep says, and those of the last 24 hours,
// but never more than maxKept; and it drops at most most versions.
func (h History) add(version int64, at time.Time, keep, most int) (next History, into Slot, drop []Slot) {
	former, now := h.list(), startedHour(at)
	dropFirst := func(limit int, sure bool) {
		for i := 0; i < len(former) && len(former) > limit && len(drop) < most; {
			if sure && keep > 0 && now-former[i].hour < sureHours {
				i++
				continue
			}
			drop = append(drop, former[i].Slot)
			former = slices.Delete(former, i, i+1)
		}
	}
	dropFirst(keep, true)
	dropFirst(maxKept, false)
	if len(drop) > 0 {
		into, drop = drop[0], drop[1:]
	} else {
		into.Number = freeSlot(former)
	}
	return encodeHistory(append(former, kept{Slot{into.Number, version}, now})), into, drop
}

// freeSlot is the lowest number that no version has.
func freeSlot(list []kept) (n int) {
	for slices.ContainsFunc(list, func(v kept) bool { return v.Slot.Number == n }) {
		n++
	}
	return n
}

// current makes a kept version the current one.
func (h History) current(version int64) History {
	list := h.list()
	i := slices.IndexFunc(list, func(v kept) bool { return v.Version == version })
	v := list[i]
	return encodeHistory(append(slices.Delete(list, i, i+1), v))
}

// without drops a version.
func (h History) without(version int64) History {
	return encodeHistory(slices.DeleteFunc(h.list(), func(v kept) bool { return v.Version == version }))
}
