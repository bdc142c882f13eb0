package httpapi

import (
	"maps"
	"net/http"
	"strconv"

	"goblins-secrets/pkg/secrets"
)

// comparisonBody is the difference of each key of two secrets.
type comparisonBody struct {
	Keys differences `json:"keys"`
}

// differences are those of all keys, and never nil.
type differences map[string]secrets.Difference

// bundleTag is the tag of all values of a secret: its revision.
func bundleTag(s secrets.Secret) string { return `"` + strconv.FormatInt(s.Revision, 10) + `"` }

// bundleRevision reads the tag of a bundle, or of its secret.
func bundleRevision(tag string) (int64, bool) {
	if n, ok := secretRevision(tag); ok {
		return n, true
	}
	return revisionTag(tag)
}

// GetBundle serves what opens all values of secrets: GET /api/secrets/{secret_id}/bundle/, all values as one JSON
// object, and GET /api/secrets/compare/, where two secrets differ.
func GetBundle(m *secrets.Manager) http.Handler {
	export, compare := exportSecret(m), compareSecrets(m)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("secret_id") == "" {
			compare.ServeHTTP(w, r)
			return
		}
		export.ServeHTTP(w, r)
	})
}

func exportSecret(m *secrets.Manager) http.Handler {
	return handle(m, secrets.SecretExported, func(r *http.Request, c secrets.Caller) (answer, error) {
		b, err := m.ExportSecret(r.Context(), c, r.PathValue("secret_id"), revisions(r, bundleRevision))
		a := answer{status: http.StatusOK, header: budgetHeader(b.Budget)}
		if err != nil {
			return a, err
		}
		if b.Same {
			return notModified(bundleTag(b.Secret)), nil
		}
		maps.Copy(a.header, http.Header{"Content-Type": {"application/json"}})
		a.body = raw(b.Object.Reveal() + "\n")
		return a.tagged(bundleTag(b.Secret)), nil
	})
}

func compareSecrets(m *secrets.Manager) http.Handler {
	return handle(m, secrets.SecretCompared, func(r *http.Request, c secrets.Caller) (answer, error) {
		query := r.URL.Query()
		compared, err := m.CompareSecrets(r.Context(), c, secrets.CompareInput{A: parameter(query, "a"), B: parameter(query, "b")})
		a := answer{status: http.StatusOK, header: budgetHeader(compared.Budget)}
		if err != nil {
			return a, err
		}
		a.body = comparisonBody{compared.Keys}
		return a, nil
	}, "a", "b")
}
