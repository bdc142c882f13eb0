package browser

import (
	"encoding/json"
	"strings"
	"testing"
)

// A service is attached, moved and removed, and undo takes back the last two. While it is attached, the secret shows
// where it is read, and how.
func TestServicesAreAttachedMovedAndRemoved(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "shop")
	a.secret(t, "other")
	a.item(t, s, "DATABASE_URL", "PLANTED")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.see("No service uses this secret")
	tb.miss("Read it in AWS Secrets Manager")
	tb.click("button", "Attach a service")
	tb.fill("Name", "Not a label")
	tb.fill("Image", "shop:1")
	tb.fill("Port", "0")
	tb.click("button", "Attach")
	tb.see("Enter a valid name", "greater than or equal to 1")
	tb.await("the focus on the last of them", `document.activeElement.name === "port"`) // else it moves while the test types
	tb.fill("Name", "shop-api")
	tb.fill("Port", "8080")
	tb.click("button", "Attach")
	tb.see("shop-api shop:1, port 8080", "Read it in AWS Secrets Manager", "Ready")

	var secret struct {
		Bundle struct{ Name, ARN, Region string }
	}
	a.call(t, "GET", "secrets/"+s.ID+"/", nil, &secret)
	tb.grantClipboard()
	clipboard := func() string { return eval[string](tb, "navigator.clipboard.readText()") }
	for label, want := range map[string]string{"Name": secret.Bundle.Name, "ARN": secret.Bundle.ARN} {
		tb.click("button", "Copy "+label)
		tb.await("the copy of "+label, "navigator.clipboard.readText().then(text => text === "+quote(want)+")")
	}
	tb.run(`document.querySelector(".snippets summary").click()`)
	tb.see("Policy of the service’s role")
	tb.click("button", "Copy Policy of the service’s role")
	tb.await("the copied policy", `navigator.clipboard.readText().then(text => text.startsWith("{"))`)
	var policy struct {
		Statement []struct{ Action, Resource string }
	}
	if err := json.Unmarshal([]byte(clipboard()), &policy); err != nil || len(policy.Statement) != 1 ||
		!strings.HasPrefix(secret.Bundle.ARN, strings.TrimSuffix(policy.Statement[0].Resource, "*")) || policy.Statement[0].Action != "secretsmanager:GetSecretValue" {
		t.Errorf("policy = %+v, %v, want the right to read %s", policy, err, secret.Bundle.ARN)
	}
	tb.see(secret.Bundle.ARN+":DATABASE_URL::", "extract: {key: "+secret.Bundle.Name+"}")

	move := func() {
		t.Helper()
		tb.click("button", "Move service shop-api")
		tb.await("the other secret", `[...document.querySelectorAll("dialog option")].some(e => e.textContent === "other")`)
		tb.run(`(e => { e.value = [...e.options].find(o => o.textContent === "other").value; e.dispatchEvent(new Event("change", { bubbles: true })); })(document.querySelector("dialog select"))`)
		tb.click("button", "Move")
		tb.see("Service moved", "No service uses this secret")
	}
	move()
	tb.click("button", "Undo")
	tb.see("Undone", "shop-api")
	move()
	tb.click("link", "← All secrets")
	tb.click("link", "other")
	tb.see("shop-api")
	tb.click("button", "Remove service shop-api")
	tb.click("button", "Remove")
	tb.see("Service removed", "No service uses this secret")
	tb.click("button", "Undo")
	tb.see("Undone", "shop-api shop:1, port 8080")
}
