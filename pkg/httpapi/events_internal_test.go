package httpapi

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// A page that is too large for an answer ends at the end that is far from its cursor, and goes on there.
func TestLargePagesAreCutAtTheirFarEnd(t *testing.T) {
	big := map[string]string{"secrets": strings.Repeat("x", 3000)}
	var all []secrets.Event // newest first
	for i := range 1000 {
		all = append(all, secrets.Event{ID: secrets.NewEventID(time.Unix(int64(1000-i), 0), uuid.New()), From: big})
	}
	for name, from := range map[string]secrets.Cursor{
		"the start": {}, "backward": {Backward: true, ID: uuid.Max}, "forward": {ID: uuid.UUID{15: 1}},
	} {
		page := cut(secrets.Page[secrets.Event]{Results: all}, from)
		n := len(page.Results)
		first, goesOn := all[0].ID, page.Next
		if name == "forward" {
			first, goesOn = all[len(all)-n].ID, page.Previous
		}
		far := page.Results[n-1].ID
		if name == "forward" {
			far = page.Results[0].ID
		}
		if n < 400 || n > 600 || page.Results[0].ID != first || goesOn == nil || goesOn.ID != far || goesOn.Backward != (name != "forward") {
			t.Errorf("%s: %d events from %s, and goes on at %v; want about 500 from %s, and %s", name, n, page.Results[0].ID, goesOn, first, far)
		}
	}
}

// What a spreadsheet would take for a formula begins with an apostrophe, also behind another separator.
func TestFormulasBecomeTexts(t *testing.T) {
	for cell, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\tx": "'\tx", "\rx": "'\rx", " =1": "' =1", "＝1": "'＝1",
		"x;=1+1": "'x;=1+1", "x\n=1": "'x\n=1", "2026-11-28": "2026-11-28", "a-b=c": "a-b=c", "": "", "curl/8.5.0": "curl/8.5.0",
	} {
		var b bytes.Buffer
		writeCSV(&b, []string{cell, "x"})
		got := strings.TrimSuffix(b.String(), ",x\r\n")
		if strings.HasPrefix(got, `"`) {
			got = strings.ReplaceAll(strings.Trim(got, `"`), "\r\n", "\n")
		}
		if got != want && got != strings.ReplaceAll(want, "\r", "") { // CRLF ends lines in quotes, too
			t.Errorf("cell %q = %q, want %q", cell, got, want)
		}
	}
}
