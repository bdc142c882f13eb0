package secrets

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
)

// leaving is a store of one secret whose users are leaving: what is read of them one
// after the other does not agree.
type leaving struct {
	Store
	users []Workload
	count int
}

func (leaving) Secret(context.Context, uuid.UUID, uuid.UUID) (Secret, error) {
	return Secret{Name: "s", Services: 3}, nil
}

func (l leaving) Users(context.Context, uuid.UUID, uuid.UUID, Cursor, int) ([]Workload, int, error) {
	return l.users, l.count, nil
}

// A refusal never names more services than it counts.
func TestInUseCounts(t *testing.T) {
	for _, tt := range []struct{ names, count, want int }{{1, 0, 1}, {1, 1, 1}, {5, 3, 5}, {5, 5, 5}, {5, 8, 8}} {
		users := slices.Repeat([]Workload{{Name: "app"}}, tt.names)
		err := (&Service{Store: leaving{users: users, count: tt.count}}).DeleteSecret(t.Context(), Caller{}, uuid.NewString())
		var inUse InUse
		if !errors.As(err, &inUse) || inUse.Services != tt.want || len(inUse.Names) != tt.names {
			t.Errorf("delete with %d users and a count of %d: %v, want %d", tt.names, tt.count, err, tt.want)
		}
	}
}
