// Package browser tests the web console in a real Chromium, on the page that `make run`
// serves.
//
// Without Chromium on the PATH the tests are skipped, except in CI. Each page that a test
// opens has its own browser profile. A violation of the page's security policy fails the
// test, and so does an uncaught error in the page.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"goblins-secrets/infra/local/emulator"
	"goblins-secrets/infra/local/stack"
)

// patience is the limit for a page's next step, on a busy machine.
const patience = 30 * time.Second

var (
	program  string          // the program that `make run` runs
	chromium context.Context // the only browser; nil if Chromium is not installed
	shared   *running        // the stack of tests that don't need their own
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	path := findChromium()
	if path == "" {
		if os.Getenv("CI") != "" {
			fmt.Fprintln(os.Stderr, "e2e/browser: Chromium is not on the PATH. CI must have it: e2e/browser/chromium.sh --install")
			return 1
		}
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "goblins-secrets-browser")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "local")
	if out, err := exec.Command("go", "build", "-o", program, "goblins-secrets/infra/local").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Flag("disable-dev-shm-usage", true),
	}
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // root can't use the sandbox
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	defer end()
	var cancel context.CancelFunc
	chromium, cancel = chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(chromium); err != nil {
		fmt.Fprintln(os.Stderr, "Chromium does not start:", err)
		return 1
	}
	if shared, err = startStack(filepath.Join(dir, "data"), "127.0.0.1:0", "-set", "KeyCacheSeconds=0"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.stop()
	return m.Run()
}

func findChromium() string {
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// running is a stack in its own process.
type running struct {
	url, data string
	cmd       *exec.Cmd
	log       bytes.Buffer
}

// startStack starts the program and waits until it is ready.
func startStack(data, addr string, args ...string) (*running, error) {
	s := &running{data: data, cmd: exec.Command(program, append([]string{"-addr", addr, "-data", data}, args...)...)}
	s.cmd.Stderr = &s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "The web console is at "); ok {
			s.url, _, _ = strings.Cut(at, "/console/")
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return s, nil
		}
	}
	return nil, fmt.Errorf("the stack ended: %v\n%s", s.cmd.Wait(), &s.log)
}

func (s *running) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = s.cmd.Wait()
}

// newStack starts a stack for one test.
func newStack(t *testing.T, args ...string) *running {
	t.Helper()
	s, err := startStack(filepath.Join(t.TempDir(), "data"), "127.0.0.1:0", args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// account is a fresh account on a stack, with its API key.
type account struct {
	stack *running
	key   string
}

func (s *running) account(t *testing.T) account {
	t.Helper()
	out, err := exec.Command(program, "-data", s.data, "account").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(string(out), "API_KEY='")
	key, _, _ = strings.Cut(key, "'")
	return account{s, key}
}

// call makes a request to the API, and decodes the answer into result.
func (a account) call(t *testing.T, method, path string, body, result any) {
	t.Helper()
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, a.stack.url+"/api/"+path, content)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+a.key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode >= 300 {
		t.Fatalf("%s %s = %d %s", method, path, answer.StatusCode, text)
	}
	if result != nil {
		if err := json.Unmarshal(text, result); err != nil {
			t.Fatalf("%s %s = %s: %v", method, path, text, err)
		}
	}
}

type secretBody struct{ ID, Name, Status string }

type itemBody struct {
	ID, Key, Value string
	Secret         string
	LastAccessedAt *string `json:"last_accessed_at"`
	LastAccessedBy *string `json:"last_accessed_by"`
}

type list[T any] struct {
	Count   int
	Results []T
}

func (a account) secret(t *testing.T, name string) (created secretBody) {
	t.Helper()
	a.call(t, "POST", "secrets/", map[string]string{"name": name}, &created)
	return created
}

func (a account) item(t *testing.T, s secretBody, key, value string) (created itemBody) {
	t.Helper()
	a.call(t, "POST", "secrets/"+s.ID+"/items/", map[string]string{"key": key, "value": value}, &created)
	return created
}

func (a account) items(t *testing.T, s secretBody) map[string]itemBody {
	t.Helper()
	var all list[itemBody]
	a.call(t, "GET", "secrets/"+s.ID+"/items/?page_size=1000", nil, &all)
	found := map[string]itemBody{}
	for _, it := range all.Results {
		found[it.Key] = it
	}
	return found
}

// table returns a client of the stack's table, and the table's name.
func (s *running) table(t *testing.T) (client *dynamodb.Client, name string) {
	t.Helper()
	endpoints, err := stack.Running(s.data)
	if err != nil {
		t.Fatal(err)
	}
	return emulator.At(endpoints.DynamoDB, endpoints.AccessKey).Client(), endpoints.Table
}

// reveals counts the reveal events of an item in the audit trail.
func (s *running) reveals(t *testing.T, item string) (n int) {
	t.Helper()
	client, table := s.table(t)
	out, err := client.Scan(t.Context(), &dynamodb.ScanInput{
		TableName: &table, FilterExpression: aws.String("begins_with(PK, :events) AND #action = :revealed AND item_id = :item"),
		ExpressionAttributeNames: map[string]string{"#action": "action"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":revealed": &types.AttributeValueMemberS{Value: "item.revealed"}, ":item": &types.AttributeValueMemberS{Value: item},
			":events": &types.AttributeValueMemberS{Value: "EVENTS#"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Items)
}

// tab is a page in the browser.
type tab struct {
	t     *testing.T
	ctx   context.Context
	stack *running

	mu     sync.Mutex
	faults []string // violations of the policy, and uncaught errors
}

// prelude runs in each page before its own script. It gives tests functions that find
// elements, a clock that they can advance, and a list of policy violations.
const prelude = `(() => {
  const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest("[inert]");
  const name = (e) => (e.getAttribute("aria-label") ?? (e.labels?.length ? e.labels[0].textContent : e.textContent)).trim().replace(/\s+/g, " ");
  const kinds = { button: "button", link: "a", summary: "summary", field: "input, textarea", text: "h1, h2, h3, pre, .key, .name" };
  // Finds a visible element by its name. While a dialog is open, only elements in it count.
  const find = (kind, wanted) => {
    const all = [...document.querySelectorAll(kinds[kind])].filter((e) => seen(e) && name(e) === wanted);
    const dialog = [...document.querySelectorAll("dialog[open]")].at(-1);
    return (dialog ? all.filter((e) => dialog.contains(e)) : all)[0];
  };
  // Opens the menu that has a button of this name, as a user does before choosing it.
  const unfold = (wanted) => {
    const inside = [...document.querySelectorAll(".menu:not([open]) button")].find((e) => name(e) === wanted);
    if (inside) inside.closest(".menu").open = true;
  };
  const realNow = Date.now, realTimeout = setTimeout, realClear = clearTimeout;
  const waiting = new Map();
  let ahead = 0;
  Date.now = () => realNow() + ahead;
  window.setTimeout = (act, delay = 0, ...args) => {
    const run = () => { waiting.delete(id); act(...args); };
    const id = realTimeout(run, delay);
    waiting.set(id, { run, due: Date.now() + delay });
    return id;
  };
  window.clearTimeout = (id) => { waiting.delete(id); realClear(id); };
  const advance = (ms) => {
    ahead += ms;
    for (const [id, timer] of [...waiting].sort((a, b) => a[1].due - b[1].due)) {
      if (timer.due <= Date.now() && waiting.has(id)) { realClear(id); timer.run(); }
    }
  };
  // aim returns the point to click an element at, once the element stays where it is: a click beside it could
  // choose something else. hit reports whether it received the click.
  let clicked;
  const center = (e) => {
    const r = e.getClientRects()[0];
    return r ? { x: r.x + r.width / 2, y: r.y + r.height / 2 } : { x: -1, y: -1 };
  };
  const aim = async (e) => {
    clicked = false;
    if (!e) return { x: 0, y: 0, hit: false };
    e.scrollIntoView({ block: "center" });
    const before = center(e);
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const at = center(e);
    if (at.x !== before.x || at.y !== before.y) return { ...at, hit: false };
    e.addEventListener("click", () => (clicked = true), { once: true, capture: true });
    return { ...at, hit: e.contains(document.elementFromPoint(at.x, at.y)) };
  };
  const hit = () => clicked;
  const violations = [];
  document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile + ":" + e.lineNumber));
  // The machine sleeps: the clock goes on, and timers do not.
  const sleep = (ms) => { ahead += ms; };
  window.test = { find, unfold, aim, hit, advance, sleep, violations };
})()`

// open opens the console in a tab with its own profile.
func open(t *testing.T, s *running, path string) *tab {
	t.Helper()
	if chromium == nil {
		t.Skip("Chromium is not on the PATH")
	}
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	return newTab(t, ctx, s, path)
}

// another opens a second tab in the same profile.
func (tb *tab) another(path string) *tab {
	tb.t.Helper()
	ctx, cancel := chromedp.NewContext(tb.ctx)
	tb.t.Cleanup(cancel)
	return newTab(tb.t, ctx, tb.stack, path)
}

func newTab(t *testing.T, ctx context.Context, s *running, path string) *tab {
	t.Helper()
	tb := &tab{t: t, ctx: ctx, stack: s}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			tb.fault(fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.Exception.Description))
		case *cdplog.EventEntryAdded:
			if e.Entry.Source == cdplog.EntrySourceSecurity {
				tb.fault(e.Entry.Text)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	tb.do(
		send(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: prelude}),
		// Several tabs run at the same time: each acts as if it had the focus.
		send(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}),
		chromedp.EmulateViewport(1100, 800),
		chromedp.Navigate(s.url+path),
	)
	t.Cleanup(func() {
		violations, err := chromedp.Run(ctx, chromedp.Evaluate[[]string]("test.violations"))
		if err != nil {
			t.Error(err)
		}
		tb.mu.Lock()
		defer tb.mu.Unlock()
		for _, fault := range append(tb.faults, violations...) {
			t.Errorf("fault in the page: %s", fault)
		}
	})
	return tb
}

// send is an action that is one command of the DevTools protocol.
func send[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (tb *tab) fault(text string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.faults = append(tb.faults, text)
}

func (tb *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		tb.t.Fatalf("%v\nthe page:\n%s", err, tb.text())
	}
}

// eval evaluates an expression in the page, and awaits a promise.
func eval[T any](tb *tab, expression string) T {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	result, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tb.t.Fatalf("%.300s: %v\nthe page:\n%s", expression, err, tb.text())
	}
	return result
}

// run is eval without a result.
func (tb *tab) run(expression string) { tb.t.Helper(); eval[chromedp.Void](tb, expression) }

// text returns the visible text of the page.
func (tb *tab) text() string {
	// It is for messages only, so an error gives an empty text.
	text, _ := chromedp.Run(tb.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	return text
}

// await waits until an expression is true.
func (tb *tab) await(what, expression string) {
	tb.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		// Evaluation fails during a navigation.
		if holds, err := chromedp.Run(tb.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")")); err == nil && holds {
			return
		}
		if time.Now().After(deadline) {
			tb.t.Fatalf("the page has not %s. It shows:\n%s", what, tb.text())
		}
	}
}

func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return string(quoted)
}

// see waits until the page shows all of these texts; miss, until it shows none of them.
func (tb *tab) see(texts ...string) {
	tb.t.Helper()
	for _, text := range texts {
		tb.await("shown "+text, "document.body.innerText.includes("+quote(text)+")")
	}
}

func (tb *tab) miss(texts ...string) {
	tb.t.Helper()
	for _, text := range texts {
		tb.await("hidden "+text, "!document.body.innerText.includes("+quote(text)+")")
	}
}

func (tb *tab) element(kind, name string) string {
	return "test.find(" + quote(kind) + ", " + quote(name) + ")"
}

// click clicks a button or link with the mouse. It repeats the click if the element moved
// because content above it was loading.
func (tb *tab) click(kind, name string) {
	tb.t.Helper()
	element := tb.element(kind, name)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		tb.await("a usable "+kind+" "+name, "(test.unfold("+quote(name)+"), (e => e && !e.disabled)("+element+"))")
		at := eval[struct {
			X, Y float64
			Hit  bool
		}](tb, "test.aim("+element+")")
		if !at.Hit {
			continue
		}
		tb.do(chromedp.MouseClickXY(at.X, at.Y))
		if eval[bool](tb, "test.hit()") {
			return
		}
	}
	tb.t.Fatalf("%s %s can't be clicked; the page shows:\n%s", kind, name, tb.text())
}

// fill replaces the content of a field, as pasting does.
func (tb *tab) fill(label, text string) {
	tb.t.Helper()
	element := tb.element("field", label)
	tb.await("a field "+label, element)
	tb.run("(e => { e.focus(); e.select(); })(" + element + ")")
	tb.do(send(input.InsertText, input.InsertTextParams{Text: text}))
}

func (tb *tab) press(key string) {
	tb.t.Helper()
	tb.do(chromedp.KeyEvent(key))
}

// slash presses "/" so that the page can cancel the input of the letter. With press, the
// browser gets the letter as a separate event.
func (tb *tab) slash() {
	tb.t.Helper()
	tb.do(
		send(input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "keyDown", Key: "/", Code: "Slash", Text: "/"}),
		send(input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "keyUp", Key: "/", Code: "Slash"}),
	)
}

func (tb *tab) value(label string) string {
	tb.t.Helper()
	return eval[string](tb, tb.element("field", label)+".value")
}

// advance advances the page's clock.
func (tb *tab) advance(d time.Duration) {
	tb.t.Helper()
	tb.run(fmt.Sprintf("test.advance(%d)", d.Milliseconds()))
}

// leave and comeBack simulate a switch to another tab and back.
func (tb *tab) leave()    { tb.t.Helper(); tb.visibility("hidden") }
func (tb *tab) comeBack() { tb.t.Helper(); tb.visibility("visible") }

func (tb *tab) visibility(state string) {
	tb.t.Helper()
	tb.run(`(Object.defineProperty(document, "visibilityState", {value: ` + quote(state) + `, configurable: true}),
		Object.defineProperty(document, "hidden", {value: ` + quote(state) + ` === "hidden", configurable: true}),
		document.dispatchEvent(new Event("visibilitychange")), undefined)`)
}

// clipboard is the browser's only one: a test that uses it has it until its end.
var clipboard sync.Mutex

func (tb *tab) grantClipboard() {
	tb.t.Helper()
	clipboard.Lock()
	tb.t.Cleanup(clipboard.Unlock)
	c := chromedp.FromContext(tb.ctx)
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err := cdp.Call(tb.ctx, c.Browser, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: "granted", BrowserContextID: c.BrowserContextID,
		})
		if err != nil {
			tb.t.Fatal(err)
		}
	}
}

// signIn signs in, and waits until the console is open.
func (tb *tab) signIn(a account) {
	tb.t.Helper()
	tb.fill("API key", a.key)
	tb.click("button", "Sign in")
	tb.await("signed in", tb.element("button", "Sign out"))
}

// signedIn opens the console at a path in a fresh tab, and signs in.
func signedIn(t *testing.T, a account, path string) *tab {
	t.Helper()
	tb := open(t, a.stack, path)
	tb.signIn(a)
	return tb
}
