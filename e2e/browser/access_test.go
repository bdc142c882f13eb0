package browser

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"goblins-secrets/infra/local/tool"
)

// pins lists the packages from npm with their versions: the accessibility checker, and the
// sources of the vendored files.
//
//go:embed npm
var pins embed.FS

// npm installs the packages and returns their folder.
func npm(t *testing.T) string {
	t.Helper()
	files, err := fs.Sub(pins, "npm")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := tool.Install(t.Context(), tool.Tool{
		Name: "browser", Title: "the accessibility checker (axe-core)",
		Needs: "npm", Hint: "install Node.js",
		Pins:     files,
		Commands: [][]string{{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"}},
	}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "node_modules")
}

func (tb *tab) phone() { tb.t.Helper(); tb.do(chromedp.EmulateViewport(390, 844)) }

func (tb *tab) desk() { tb.t.Helper(); tb.do(chromedp.EmulateViewport(1100, 800)) }

func (tb *tab) theme(name string) {
	tb.t.Helper()
	tb.do(send(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	}))
}

func back() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[chromedp.Void]("history.back()")(ctx, t)
		return err
	})
}

// states leads a page through its main states, and calls visit in each.
func states(t *testing.T, visit func(name string, tb *tab)) {
	t.Helper()
	s := newStack(t, "-set", "ReadLimit=87", "-set", "ReadWindowSeconds=3600")
	a := s.account(t)
	shop := a.secret(t, "production-secrets")
	a.secret(t, "staging-secrets")
	var last itemBody
	for _, key := range []string{"DATABASE_PASSWORD", "STRIPE_API_KEY", "SMTP_PASSWORD"} {
		last = a.item(t, shop, key, "correct-horse-battery-staple")
	}
	a.call(t, "GET", "secrets/"+shop.ID+"/items/"+last.ID+"/", nil, nil)
	a.call(t, "POST", "services/", map[string]any{"name": "my-app", "image": "myapp:v1.0.0", "port": 8080, "secret": shop.ID}, nil)
	ada, key := a.person(t, "Ada Lovelace", []string{"list", "reveal"}, shop.ID)
	key.call(t, "POST", "keys/", map[string]any{"name": "nightly report", "permissions": []string{"list"}}, nil)
	a.invite(t, "Grace Hopper", []string{"list", "reveal", "write"})
	a.user(t, "machine", "shop-ci", []string{"list", "reveal", "export"}, shop.ID)
	_, unlisted := a.person(t, "Charles Babbage", []string{"write"})

	tb := open(t, s, "/console/")
	tb.see("Sign in")
	visit("sign-in", tb)
	tb.fill("API key", stranger)
	tb.press(enter)
	tb.see("The API does not accept this key.")
	visit("sign-in-refused", tb)
	tb.signIn(a)
	tb.see("3 secrets")
	tb.await("settled", `document.querySelectorAll(".badge.ready").length === 1`)
	visit("secrets", tb)
	tb.fill("Search secrets by name", "nothing like it")
	tb.see("No name contains")
	visit("secrets-none-found", tb)
	tb.press(escape)
	tb.click("button", "New secret")
	tb.fill("Name", "Default")
	tb.press(enter)
	tb.see("already exists")
	visit("new-secret-refused", tb)
	tb.press(escape)
	tb.see("Discard what you have entered?")
	visit("discard", tb)
	tb.click("button", "Discard")
	tb.click("button", "Delete secret staging-secrets")
	visit("delete-secret", tb)
	tb.press(escape)
	tb.click("link", "Default")
	tb.see("This secret has no items yet")
	visit("empty-secret", tb)
	tb.click("link", "← All secrets")
	tb.click("link", "production-secrets")
	tb.see("3 items", "my-app")
	visit("secret", tb)
	tb.click("button", "Add item")
	tb.fill("Value", " a value\u00a0")
	visit("add-item", tb)
	tb.press(escape)
	tb.click("button", "Discard")
	tb.run(`document.querySelector(".item .menu").open = true`)
	visit("menu", tb)
	tb.press(escape)
	tb.click("button", "Attach a service")
	visit("attach-service", tb)
	tb.press(escape)
	tb.click("button", "Move service my-app")
	visit("move-service", tb)
	tb.press(escape)
	tb.run(`document.querySelector(".snippets").open = true`)
	visit("snippets", tb)
	tb.run(`document.querySelector(".snippets").open = false`)
	tb.click("button", "Show value of DATABASE_PASSWORD")
	tb.see("correct-horse-battery-staple")
	visit("value-shown", tb)
	tb.click("button", "Edit value of DATABASE_PASSWORD")
	visit("edit-value", tb)
	tb.press(escape)
	history(a, last, tb, visit)
	tb.click("button", "Paste .env")
	tb.fill("Contents of the file", "# the shop's\nDATABASE_PASSWORD=\"new one\"\nexport SMTP_HOST=mail.example.com\nSMTP_PORT=587  # TLS\nnot a line\n")
	tb.see("2 to add, 1 to change, 1 line to skip")
	visit("import", tb)
	tb.click("button", "Import 3 items")
	tb.see("3 of 3 done.")
	visit("imported", tb)
	tb.click("button", "Close")
	people(ada, unlisted, tb, visit)
	tb.click("link", "Activity")
	tb.see("Live", "in 30 days")
	visit("activity", tb)
	tb.click("link", "Review")
	tb.see("Everything was looked at.")
	visit("review", tb)
	tb.click("link", "Goblins Secrets")
	tb.click("link", "production-secrets")
	tb.see("SMTP_PORT")
	for i := 4; i < 87; i++ {
		a.call(t, "GET", "secrets/"+shop.ID+"/items/"+last.ID+"/", nil, nil)
	}
	tb.advance(10 * time.Second) // the notice expires
	tb.click("button", "Show value of STRIPE_API_KEY")
	tb.see("The value was not revealed")
	visit("throttled", tb)
	s.revoke(t, a.key)
	s.stop()
	tb.click("link", "← All secrets")
	tb.see("The API can't be reached.")
	visit("offline", tb)
}

// history leads the page of a secret through the states with what is kept: versions, the bin, changes of other clients, and
// another secret. It reveals two values.
func history(a account, it itemBody, tb *tab, visit func(name string, tb *tab)) {
	tb.t.Helper()
	change := func() {
		a.call(tb.t, "PATCH", "secrets/"+it.Secret+"/items/"+it.ID+"/", map[string]any{"value": "correct-horse"}, nil)
	}
	change()
	tb.comeBack()
	tb.click("button", "History of "+it.Key)
	tb.see("2 versions.")
	visit("history", tb)
	tb.press(escape)
	tb.click("button", "Rename item "+it.Key)
	tb.fill("Key", "SMTP_PASS")
	change()
	tb.press(enter)
	tb.see("You, or another client with your rights, changed this item meanwhile")
	visit("conflict", tb)
	tb.click("button", "Take the new state")
	tb.see("changed just now")
	tb.click("button", "Delete item "+it.Key)
	tb.click("button", "Delete")
	tb.see("Item deleted")
	tb.click("link", "Bin")
	tb.see("1 item.", "Undo")
	visit("bin", tb)
	tb.click("button", "Restore "+it.Key)
	tb.see("The bin is empty.")
	tb.click("link", "← production-secrets")
	tb.see("3 items.")
	tb.click("link", "Compare")
	tb.see("Choose a secret")
	tb.choose("Second", "staging-secrets")
	tb.click("button", "Compare")
	tb.see("3 keys")
	visit("compare", tb)
	tb.click("link", "← production-secrets")
	tb.see("3 items.")
}

// people leads a page of an admin through the states with people and keys, and back.
func people(ada userBody, unlisted account, tb *tab, visit func(name string, tb *tab)) {
	tb.t.Helper()
	tb.click("link", "People")
	tb.see("Ada Lovelace", "Editor", "Machine for 1 secret")
	visit("people", tb)
	tb.click("button", "Invite a person")
	visit("invite", tb)
	tb.click("field", "Only some")
	tb.see("production-secrets")
	tb.click("summary", "Choose single permissions")
	tb.click("summary", "More")
	tb.fill("Email", "grace@example.com")
	tb.fill("Reveal limit", "0")
	tb.click("button", "Invite")
	// Their fields take the focus after they are drawn: what is entered before goes to another one.
	tb.await("errors", `document.querySelectorAll("dialog .wrong").length >= 3 && document.activeElement.ariaInvalid === "true"`)
	visit("invite-refused", tb)
	tb.fill("Name", "Alan Turing")
	tb.fill("Reveal limit", "10")
	tb.click("field", "production-secrets")
	tb.click("button", "Invite")
	invitation := account{tb.stack, tb.shownKey()}
	visit("invitation", tb)
	tb.press(escape)
	tb.see("You have not copied it.")
	visit("invitation-not-copied", tb)
	tb.click("button", "Close")
	tb.click("link", ada.Name)
	tb.see("nightly report", "Only for 1 secret: production-secrets")
	visit("person", tb)
	tb.click("button", "Edit "+ada.Name)
	visit("edit-person", tb)
	tb.press(escape)
	tb.click("button", "Revoke key laptop")
	tb.see("Also revoke the 1 key that it made", "never used")
	visit("revoke-key", tb)
	tb.press(escape)
	tb.click("button", "Edit key laptop")
	visit("edit-key", tb)
	tb.press(escape)
	tb.click("button", "Delete "+ada.Name)
	tb.see("These keys stop working:", "laptop")
	visit("delete-person", tb)
	tb.press(escape)
	tb.click("link", "You")
	tb.see("Signed in with it")
	visit("you", tb)
	tb.click("button", "New key")
	tb.choose("Expires", "After a day …")
	visit("new-key", tb)
	tb.press(escape)
	other := tb.another("/console/")
	other.signIn(unlisted)
	other.see("Your key may not see secrets.")
	visit("may-not", other)
	other.click("button", "Sign out")
	other.signIn(invitation)
	other.see("Welcome, Alan Turing")
	visit("welcome", other)
	other.click("button", "Make my key")
	other.shownKey()
	visit("your-key", other)
	tb.click("link", "Goblins Secrets")
	tb.click("link", "production-secrets")
	tb.see("5 items")
}

// The checker finds no violation in any state, theme or width. No page is wider than the window, also at a zoom
// of 200 %, where each dialog's last button can still be reached.
func TestEveryStateIsAccessible(t *testing.T) {
	t.Parallel()
	if chromium == nil {
		t.Skip("Chromium is not on the PATH")
	}
	states(t, func(name string, tb *tab) {
		checkAccess(t, name, tb)
		tb.do(chromedp.EmulateViewport(550, 400))
		if wide := eval[[]int](tb, "[document.documentElement.scrollWidth, innerWidth]"); wide[0] > wide[1] {
			t.Errorf("%s, at 200 %%: the page is %d pixels wide, in a window of %d", name, wide[0], wide[1])
		}
		if !eval[bool](tb, `(e => {
			if (!e) return true;
			e.scrollIntoView();
			const r = e.getBoundingClientRect();
			return e.contains(document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2));
		})([...document.querySelectorAll("dialog[open] button")].at(-1))`) {
			t.Errorf("%s, at 200 %%: the last button of the dialog can't be reached", name)
		}
		tb.desk()
	})
}

// checkAccess runs the checker on a page in both themes and widths, without some of its rules.
func checkAccess(t *testing.T, name string, tb *tab, without ...string) {
	t.Helper()
	if !eval[bool](tb, `"axe" in window`) {
		axe, err := os.ReadFile(filepath.Join(npm(t), "axe-core", "axe.min.js"))
		if err != nil {
			t.Fatal(err)
		}
		tb.run(string(axe))
	}
	for _, theme := range []string{"light", "dark"} {
		tb.theme(theme)
		for width, set := range map[string]func(){"desk": tb.desk, "phone": tb.phone} {
			set()
			// Colours that still change have another contrast.
			tb.await("no animation", `document.getAnimations().every((a) => a.playState !== "running")`)
			found := eval[[]struct {
				ID, Help string
				Nodes    []struct{ HTML, FailureSummary string }
			}](tb, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations)`)
			for _, v := range found {
				if slices.Contains(without, v.ID) {
					continue
				}
				t.Errorf("%s, %s, %s: %s: %s\n%+v", name, theme, width, v.ID, v.Help, v.Nodes)
			}
			if wide := eval[[]int](tb, "[document.documentElement.scrollWidth, innerWidth]"); wide[0] > wide[1] {
				t.Errorf("%s, %s: the page is %d pixels wide, in a window of %d", name, width, wide[0], wide[1])
			}
		}
	}
	tb.theme("light")
}

// screenshotsVariable names an environment variable with the folder that TestScreenshots
// writes to: see `make screenshots`.
const screenshotsVariable = "SCREENSHOTS"

// pictures are the screenshots in the documentation: a state, a theme, a width.
var pictures = []string{
	"secrets light desk", "value-shown light desk", "value-shown dark desk", "import light desk", "throttled dark desk",
	"secrets light phone", "value-shown dark phone", "people light desk", "invite light desk", "activity light desk",
	"review light desk",
}

// TestScreenshots makes the screenshots of the documentation. It tests nothing.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv(screenshotsVariable)
	if dir == "" {
		t.Skip(screenshotsVariable + " is not set")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	states(t, func(name string, tb *tab) {
		for _, picture := range pictures {
			parts := strings.Fields(picture)
			if parts[0] != name {
				continue
			}
			tb.theme(parts[1])
			height := eval[int](tb, "Math.max(...[...document.querySelectorAll('header, main, dialog[open]')].map(e => Math.ceil(e.getBoundingClientRect().bottom + scrollY))) + 20")
			width := map[string]int64{"desk": 1000, "phone": 390}[parts[2]]
			tb.do(chromedp.EmulateViewport(width, max(400, int64(height))))
			if parts[2] == "phone" {
				height = eval[int](tb, "document.documentElement.scrollHeight")
				tb.do(chromedp.EmulateViewport(width, int64(height)))
			}
			tb.run("document.activeElement.blur()")
			shot, err := chromedp.Run(tb.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, fmt.Sprintf("%s-%s-%s.png", parts[0], parts[1], parts[2]))
			if err := os.WriteFile(path, compress(t, shot), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		tb.theme("light")
		tb.desk()
	})
}

// TestScreenshotsOfManyRows makes the screenshots of long lists. It tests nothing.
func TestScreenshotsOfManyRows(t *testing.T) {
	dir := os.Getenv(screenshotsVariable)
	if dir == "" {
		t.Skip(screenshotsVariable + " is not set")
	}
	a := newStack(t).account(t)
	words := []string{"billing", "checkout", "search", "mail", "reports", "login", "images", "cron"}
	var many secretBody
	for i := range 199 {
		many = a.secret(t, fmt.Sprintf("%s-%s-%d", words[i%len(words)], []string{"production", "staging", "test"}[i%3], i/24+1))
	}
	for i := range 300 {
		a.item(t, many, fmt.Sprintf("%s_%s_%d", strings.ToUpper(words[i%len(words)]), []string{"URL", "PASSWORD", "TOKEN_FOR_PARTNERS"}[i%3], i/24+1), "value")
	}
	tb := signedIn(t, a, "/console/")
	tb.see("200 secrets")
	tb.do(chromedp.EmulateViewport(1000, 760))
	picture := func(name string) {
		t.Helper()
		tb.run("document.activeElement.blur()")
		shot, err := chromedp.Run(tb.ctx, chromedp.CaptureScreenshot())
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".png"), compress(t, shot), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	picture("many-secrets-light-desk")
	tb.click("link", many.Name)
	tb.see("300 items")
	picture("many-items-light-desk")
	tb.theme("dark")
	tb.do(chromedp.EmulateViewport(390, 844))
	picture("many-items-dark-phone")
}

// compress encodes a picture as a PNG with its 256 most frequent colours. Few pixels have
// another colour: the pages are flat areas, and grey edges of letters.
func compress(t *testing.T, picture []byte) []byte {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	frequency := map[color.Color]int{}
	bounds := img.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			frequency[img.At(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(frequency), func(a, b color.Color) int { return frequency[b] - frequency[a] })
	flat := image.NewPaletted(bounds, colors[:min(256, len(colors))])
	draw.Draw(flat, bounds, img, bounds.Min, draw.Src)
	var small bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&small, flat); err != nil {
		t.Fatal(err)
	}
	return small.Bytes()
}
