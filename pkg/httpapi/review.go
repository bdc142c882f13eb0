package httpapi

import (
	"net/http"

	"goblins-secrets/pkg/secrets"
)

// findingBody is something to look at.
type findingBody struct {
	Check  string         `json:"check"`
	User   *namedBody     `json:"user"`
	Key    *namedBody     `json:"key"`
	Secret *namedBody     `json:"secret"`
	Item   *namedItemBody `json:"item"`
	At     *string        `json:"at"`
	Tries  *int           `json:"tries"`
}

// progressBody is how far a review came in the list that it looked at last.
type progressBody struct {
	List string `json:"list"`
	Done int    `json:"done"`
	Of   int    `json:"of"`
}

// reviewBody is a page of a review.
type reviewBody struct {
	Next     *string       `json:"next"`
	Progress progressBody  `json:"progress"`
	Results  []findingBody `json:"results"`
}

// GetReview is GET /api/review/.
func GetReview(m *secrets.Manager) http.Handler {
	return handle(m, secrets.EventRead, func(r *http.Request, c secrets.Caller) (answer, error) {
		var from secrets.ReviewCursor
		if text := r.URL.Query().Get("cursor"); text != "" {
			var err error
			if from, err = secrets.ParseReviewCursor(text); err != nil {
				return answer{}, err
			}
		}
		review, err := m.Review(r.Context(), c, from)
		if err != nil {
			return answer{}, err
		}
		b := reviewBody{Progress: progressBody{review.List, review.Done, review.Of}, Results: make([]findingBody, len(review.Findings))}
		if review.Next != nil {
			b.Next = linkTo(r, review.Next.String())
		}
		for i, f := range review.Findings {
			b.Results[i] = findingBody{
				Check: f.Check, User: optionalNamed(f.User), Key: optionalNamed(f.Key), Secret: optionalNamed(f.Secret),
				Item: namedItem(f.Item), At: optionalTime(f.At), Tries: optionalNumber(f.Tries),
			}
		}
		return ok(b), nil
	}, "cursor")
}
