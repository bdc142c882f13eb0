package secrets_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// leaving is a store of one secret whose services are leaving: the list and the count of
// them are not one snapshot.
type leaving struct {
	secrets.Store
	services []secrets.Service
	count    int
}

func (leaving) Secret(context.Context, uuid.UUID, uuid.UUID) (secrets.Secret, error) {
	return secrets.Secret{Name: "s", Services: 3}, nil
}

func (l leaving) ServicesUsing(context.Context, uuid.UUID, uuid.UUID, secrets.Cursor, int) ([]secrets.Service, int, error) {
	return l.services, l.count, nil
}

func TestInUseNeverNamesMoreServicesThanItCounts(t *testing.T) {
	c := secretstest.Admin()
	for _, tt := range []struct{ names, count, want int }{{1, 0, 1}, {1, 1, 1}, {5, 3, 5}, {5, 5, 5}, {5, 8, 8}} {
		services := slices.Repeat([]secrets.Service{{Name: "app"}}, tt.names)
		m := &secrets.Manager{Store: leaving{services: services, count: tt.count}}
		err := m.DeleteSecret(t.Context(), c, uuid.NewString(), secrets.Deletion{})
		var inUse secrets.InUse
		if !errors.As(err, &inUse) || inUse.Services != tt.want || len(inUse.Names) != tt.names {
			t.Errorf("DeleteSecret with %d services and a count of %d = %v, want %d", tt.names, tt.count, err, tt.want)
		}
	}
}
