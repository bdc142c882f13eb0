package httpapi

import (
	"net/http"

	"goblins-secrets/pkg/secrets"
)

// versionBody is a kept version of an item's value in the API.
type versionBody struct {
	Number    int64  `json:"number"`
	Value     string `json:"value"`
	CreatedAt string `json:"created_at"`
	CreatedBy string `json:"created_by"`
	Current   bool   `json:"current"`
}

// rollbackInput reads the body of a rollback.
func rollbackInput(r *http.Request) secrets.RollbackInput {
	b, err := readBody(r)
	return secrets.RollbackInput{Version: b.integer("version"), IfMatch: ifMatch(r, revisionTag), Err: err}
}

// ListVersions is GET /api/secrets/{secret_id}/items/{item_id}/versions/: all kept versions, newest first, on one page.
// Values are masked.
func ListVersions(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ItemRead, func(r *http.Request, c secrets.Caller) (answer, error) {
		found, err := m.Versions(r.Context(), c, r.PathValue("secret_id"), r.PathValue("item_id"))
		if err != nil {
			return answer{}, err
		}
		b := pageBody[versionBody]{Count: len(found), Results: make([]versionBody, len(found))}
		for i, v := range found {
			b.Results[i] = versionBody{v.Number, secrets.Mask, timeText(v.CreatedAt), v.CreatedBy.String(), v.Current}
		}
		return ok(b), nil
	})
}

// RollbackItem is POST /api/secrets/{secret_id}/items/{item_id}/rollback/: it makes an older version current.
func RollbackItem(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ItemRolledBack, func(r *http.Request, c secrets.Caller) (answer, error) {
		it, err := m.RollBackItem(r.Context(), c, r.PathValue("secret_id"), r.PathValue("item_id"), rollbackInput(r))
		if err != nil {
			return answer{}, err
		}
		return ok(newItemBody(it)).tagged(itemTag(it)), nil
	})
}

// DeleteVersion is DELETE /api/secrets/{secret_id}/items/{item_id}/versions/{version}/.
func DeleteVersion(m *secrets.Manager) http.Handler {
	return handle(m, secrets.VersionDeleted, func(r *http.Request, c secrets.Caller) (answer, error) {
		d := secrets.Deletion{IfMatch: ifMatch(r, revisionTag)}
		if err := m.DeleteVersion(r.Context(), c, r.PathValue("secret_id"), r.PathValue("item_id"), r.PathValue("version"), d); err != nil {
			return answer{}, err
		}
		return noContent(), nil
	})
}
