package secrets

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Permissions is a set of permissions. None implies another.
type Permissions uint8

// All permissions.
const (
	List   Permissions = 1 << iota // read names and metadata
	Reveal                         // read values
	Write                          // create, change and delete
	Audit                          // read events
	Admin                          // manage users and keys
	Export                         // read all values of a secret at once

	// Every is the set of all.
	Every = List | Reveal | Write | Audit | Admin | Export
	// unlimitable are those that are never limited to some secrets.
	unlimitable = Audit | Admin
)

// What the gate accepts beside a permission.
const (
	anyKey Permissions = 0      // every key, but not an invitation
	anyone Permissions = 1 << 7 // invitations too
)

// PermissionNames are the names of all permissions, in their order.
var PermissionNames = []string{"list", "reveal", "write", "audit", "admin", "export"}

// ParsePermissions returns the set of these names. An unknown name is an error.
func ParsePermissions(names ...string) (p Permissions, err error) {
	for _, name := range names {
		i := slices.Index(PermissionNames, name)
		if i < 0 {
			return 0, fmt.Errorf("unknown permission %q", name)
		}
		p |= 1 << i
	}
	return p, nil
}

// Names returns the names of the set's permissions, in their order.
func (p Permissions) Names() []string {
	names := []string{}
	for i, name := range PermissionNames {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Has reports whether all permissions of q are in the set.
func (p Permissions) Has(q Permissions) bool { return p&q == q }

// String is for logs and events.
func (p Permissions) String() string { return strings.Join(p.Names(), ",") }

// Rights are permissions, and the secrets that they are limited to. Secrets is nil if they are not
// limited; an empty slice is no secret at all. It is sorted, without duplicates. Rights with Audit or
// Admin are not limited.
type Rights struct {
	Permissions Permissions
	Secrets     []uuid.UUID
}

// Limited reports whether the rights are limited to some secrets.
func (r Rights) Limited() bool { return r.Secrets != nil }

// Reaches reports whether the rights include a secret, whether or not it exists.
func (r Rights) Reaches(secret uuid.UUID) bool {
	if !r.Limited() {
		return true
	}
	_, found := slices.BinarySearchFunc(r.Secrets, secret, compareIDs)
	return found
}

// reachesAll reports whether the rights include all secrets of others.
func (r Rights) reachesAll(others []uuid.UUID) bool {
	if others == nil {
		return !r.Limited()
	}
	return !slices.ContainsFunc(others, func(id uuid.UUID) bool { return !r.Reaches(id) })
}

// and is the intersection.
func (r Rights) and(o Rights) Rights {
	both := Rights{r.Permissions & o.Permissions, r.Secrets}
	switch {
	case !r.Limited():
		both.Secrets = o.Secrets
	case o.Limited():
		both.Secrets = []uuid.UUID{}
		for _, id := range r.Secrets {
			if o.Reaches(id) {
				both.Secrets = append(both.Secrets, id)
			}
		}
	}
	return both
}

func (r Rights) equal(o Rights) bool {
	return r.Permissions == o.Permissions && r.Limited() == o.Limited() && slices.Equal(r.Secrets, o.Secrets)
}

// added returns the permissions of r that old has not, or has for fewer secrets.
func (r Rights) added(old Rights) Permissions {
	if old.reachesAll(r.Secrets) {
		return r.Permissions &^ old.Permissions
	}
	return r.Permissions
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
