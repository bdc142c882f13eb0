package e2e

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// transcript records the answers of a scenario in a form that does not depend on the
// target. Ids are numbered in the order of their first appearance.
type transcript struct {
	public   string
	ids      map[string]int
	requests []string
	answers  []string
}

func newTranscript(public string) *transcript {
	return &transcript{public: public, ids: map[string]int{}}
}

var (
	idText       = regexp.MustCompile(`(?i)` + uuidPattern)
	datetimeText = regexp.MustCompile(datetimePattern)
	cursorText   = regexp.MustCompile(`cursor=([A-Za-z0-9_-]{23})\b`)
	deliveryText = regexp.MustCompile(deliveryPattern)
	waitText     = regexp.MustCompile(`(;t=|Retry-After: |available in )[0-9]+( seconds?)?`)
)

// add records an answer. A nil transcript records nothing.
func (tr *transcript) add(r response) {
	if tr == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", r.status)
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		if name != "Date" && name != "Content-Length" && !strings.HasPrefix(name, "X-Amz") { // API Gateway's ids of the request
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(r.header[name], "|"))
		}
	}
	b.WriteString(ends(r.body))
	text := strings.ReplaceAll(b.String(), tr.public, "<base>")
	text = cursorText.ReplaceAllStringFunc(text, func(cursor string) string {
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(cursor, "cursor="))
		if err != nil {
			return cursor
		}
		return fmt.Sprintf("cursor=%d.%s", raw[0], uuid.UUID(raw[1:]))
	})
	text = datetimeText.ReplaceAllString(text, "<datetime>")
	// The state of a delivery depends on the time of the request. Scenarios test it instead.
	text = deliveryText.ReplaceAllString(text, "<delivery>")
	text = waitText.ReplaceAllString(text, "$1<wait>")
	text = idText.ReplaceAllStringFunc(text, func(id string) string {
		lower := strings.ToLower(id)
		if _, known := tr.ids[lower]; !known {
			tr.ids[lower] = len(tr.ids) + 1
		}
		if id != lower {
			return fmt.Sprintf("<ID %d>", tr.ids[lower])
		}
		return fmt.Sprintf("<id %d>", tr.ids[lower])
	})
	tr.requests = append(tr.requests, r.String())
	tr.answers = append(tr.answers, text)
}

// ends truncates a long body to its two ends, which have its ids and times.
func ends(body string) string {
	const part = 2000
	if len(body) <= 2*part {
		return body
	}
	return fmt.Sprintf("%s … %d bytes … %s", body[:part], len(body)-2*part, body[len(body)-part:])
}

// difference returns the first answer that differs from the other's, or "".
func (tr *transcript) difference(other *transcript) string {
	for i, answer := range tr.answers {
		if i == len(other.answers) {
			return "the transcripts have different lengths"
		}
		if diff := cmp.Diff(answer, other.answers[i]); diff != "" {
			return tr.requests[i] + ":\n" + diff
		}
	}
	return ""
}

var remaining = regexp.MustCompile(`\br=[0-9]+`)
