package secrets_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

const planted = "PLANTED-VALUE"

// brokenSealer and brokenReads panic with a value.
type brokenSealer struct{ secrets.Sealer }

func (brokenSealer) Open(context.Context, map[string]string, []byte) ([]byte, error) { panic(planted) }

type brokenReads struct{ secrets.Store }

func (brokenReads) ReadValue(context.Context, uuid.UUID, uuid.UUID, uuid.UUID, uuid.UUID) (secrets.Reading, error) {
	panic(planted)
}

// A panic beside the request's goroutine is an error without what it holds. It neither ends the process
// nor lets a value out.
func TestPanicsBesideARevealAreErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	for name, change := range map[string]func(*secrets.Manager){
		"the sealer": func(m *secrets.Manager) { m.Sealer = brokenSealer{} },
		"the store":  func(m *secrets.Manager) { m.Store = brokenReads{m.Store} },
	} {
		m := w.table.Manager(t)
		change(m)
		revealed, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
		if err == nil || !strings.Contains(err.Error(), "panic with string at") || strings.Contains(err.Error(), planted) {
			t.Errorf("%s panics: RevealItem = %v, want the panic's type and place alone", name, err)
		}
		if revealed.Value.Reveal() != "" {
			t.Errorf("%s panics: a value got out", name)
		}
	}
}
