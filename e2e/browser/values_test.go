package browser

import (
	"strings"
	"testing"

	"goblins-secrets/pkg/secretstest"
)

// Every kind of value is shown as it is stored, and stays equal when a user saves it from the field that
// shows it. A field can't hold carriage returns, so it does not offer these.
func TestValuesComeBackEqual(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "values")
	for key, value := range secretstest.Values {
		a.item(t, s, key, value)
	}
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	for key, value := range secretstest.Values {
		tb.click("button", "Show value of "+key)
		shown := `document.querySelector("pre[aria-label='Value of ` + key + `']")`
		tb.await("shown "+key, shown)
		if got := eval[string](tb, shown+".textContent"); got != value {
			t.Errorf("%s is shown as %.100q, want %.100q", key, got, value)
		}
		tb.click("button", "Edit value of "+key)
		if strings.Contains(value, "\r") {
			tb.see("carriage returns, which can’t be edited here")
			tb.press(escape)
			continue
		}
		if got := tb.value("Value"); got != value {
			t.Errorf("the field of %s has %.100q, want %.100q", key, got, value)
		}
		tb.click("button", "Save")
		tb.see("Value changed")
	}
	for key, it := range a.items(t, s) {
		var read itemBody
		a.call(t, "GET", "secrets/"+s.ID+"/items/"+it.ID+"/", nil, &read)
		if read.Value != secretstest.Values[key] {
			t.Errorf("%s is %.100q after it was saved, want %.100q", key, read.Value, secretstest.Values[key])
		}
	}
}
