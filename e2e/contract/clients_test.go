package contract_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/client/clienttest"
)

// recorder passes requests on to a stack, and records them.
type recorder struct {
	*httptest.Server
	mu     sync.Mutex
	calls  []string // method, path without ids, and status
	values []string // that were sent
}

var anyID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

func record(t *testing.T, to string) *recorder {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	r := new(recorder)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) },
		ModifyResponse: func(answer *http.Response) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if answer.Request.URL.Path == "/api/openapi.json" { // what the client is generated of
				return nil
			}
			r.calls = append(r.calls, fmt.Sprint(answer.Request.Method, " ", anyID.ReplaceAllString(answer.Request.URL.Path, "{id}"), " ", answer.StatusCode))
			return nil
		},
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		var item struct{ Value string }
		if _ = json.Unmarshal(body, &item); item.Value != "" {
			r.mu.Lock()
			r.values = append(r.values, item.Value)
			r.mu.Unlock()
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, request)
	}))
	t.Cleanup(r.Close)
	return r
}

// workflow are the calls of the documented workflow, and those that remove what it made.
var workflow = []string{
	"POST /api/secrets/ 201",
	"POST /api/secrets/{id}/items/ 201",
	"POST /api/secrets/{id}/items/ 201",
	"POST /api/services/ 201",
	"GET /api/secrets/{id}/items/ 200",
	"GET /api/secrets/{id}/items/{id}/ 200",
	"DELETE /api/services/{id}/ 204",
	"DELETE /api/secrets/{id}/items/{id}/ 204",
	"DELETE /api/secrets/{id}/items/{id}/ 204",
	"DELETE /api/secrets/{id}/ 204",
}

// fenced returns the only block of a language in a text.
func fenced(t *testing.T, text, language string) string {
	t.Helper()
	parts := strings.Split(text, "\n```"+language+"\n")
	if len(parts) != 2 {
		t.Fatalf("%d blocks of %s, want 1", len(parts)-1, language)
	}
	block, _, _ := strings.Cut(parts[1], "```\n")
	return block
}

// The commands of docs/clients.md generate clients. These compile, and play the documented workflow.
func TestGeneratedClientsPlayTheWorkflow(t *testing.T) {
	page := read(t, "docs/clients.md")
	s, err := clienttest.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	// The packages that a user installs are those that are pinned. Debian refuses pip outside of a virtual environment.
	const install = `
pip() {
	[ "$*" = 'install openapi-python-client' ]
	[ "${VIRTUAL_ENV-}" = "$(pwd -P)/.venv" ]
	ls -d "$TOOLS"/venv/lib/python*/site-packages >"$(echo .venv/lib/python*/site-packages)/pinned.pth"
}
npm() { [ "$*" = 'install openapi-fetch openapi-typescript typescript@5 @types/node' ]; ln -s "$TOOLS/node_modules" .; }
`
	for _, c := range []struct{ language, fence, script, compile string }{
		// client.py is the same for all documents, and is not strict.
		{"Python", "python", "workflow.py", "mypy --strict --follow-imports=silent workflow.py goblins/api goblins/models && python -m compileall -q goblins"},
		{"TypeScript", "ts", "workflow.mts", "true"}, // its commands check the types,
	} {
		t.Run(c.language, func(t *testing.T) {
			described := section(page, "## "+c.language)
			script := read(t, "e2e/contract/"+c.script)
			if diff := cmp.Diff(script, fenced(t, described, c.fence)); diff != "" {
				t.Errorf("%s (-) and docs/clients.md (+) differ:\n%s", c.script, diff)
			}
			folder := t.TempDir()
			r := record(t, s.URL)
			key, err := s.NewKey(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			copied := "cat >" + c.script + " <<'SCRIPT'\n" + script + "SCRIPT\n"
			output, err := shell(t, folder, install+copied+fenced(t, described, "sh")+c.compile, "API_URL="+r.URL, "API_KEY="+key)
			for _, secret := range append(r.values, key) {
				if strings.Contains(output, secret) {
					t.Error("the output has a value")
				}
				output = strings.ReplaceAll(output, secret, "<a value>")
			}
			if err != nil || !strings.Contains(output, "The workflow is done.\n") || strings.Contains(strings.ToLower(output), "warning") {
				t.Errorf("%v\n%s", err, output)
			}
			if diff := cmp.Diff(workflow, r.calls); diff != "" {
				t.Errorf("the workflow's calls (-) and the client's (+) differ:\n%s", diff)
			}
			if len(r.values) != 2 {
				t.Errorf("%d values were sent, want 2", len(r.values))
			}
		})
	}
}
