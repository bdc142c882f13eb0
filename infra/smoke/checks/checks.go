// Package checks tries a deployment through its HTTP API alone. It knows nothing of the product's code,
// so that it can try any version.
package checks

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// errSkipped: the deployment runs on an emulator that lacks something.
var errSkipped = errors.New("skipped: an emulator that lacks it")

// run is one run of the checks.
type run struct {
	ctx      context.Context
	url, key string
	client   *http.Client

	name           string // of what it creates
	value          string
	secret, item   string // addresses
	service        string
	id             string // of the secret
	emulated       bool
	left           int // of the budget
	hasLeft, ended bool
}

// response is an answer, read.
type response struct {
	status int
	header http.Header
	body   string
	object map[string]any
}

// Run tries the deployment at an address with a key. It writes a line for each check, and returns an
// error if one failed. A wrong address or key is an error before any check.
func Run(ctx context.Context, address, key string, out io.Writer) error {
	r := &run{
		ctx: ctx, url: address, key: key, name: "smoke-" + strings.ToLower(rand.Text()[:10]),
		client: &http.Client{Transport: &http.Transport{DisableCompression: true, Proxy: http.ProxyFromEnvironment}},
	}
	first, err := r.call("GET", address+"/api/secrets/", "")
	switch {
	case err != nil:
		return fmt.Errorf("the address %s does not answer: %w", address, err)
	case first.status == http.StatusUnauthorized:
		return fmt.Errorf("the key is not a valid key of %s", address)
	case first.status != http.StatusOK:
		return fmt.Errorf("%s answers %d to a list of secrets: is it the API's address, with its stage?", address, first.status)
	}
	r.emulated = first.header.Get("X-Amz-Apigw-Id") == "" // API Gateway sends it always
	failed := 0
	defer func() { _ = r.cleanUp() }() // if a check panics
	for _, check := range []struct {
		what string
		do   func() error
	}{
		{"create a secret, and read it at its Location", r.createSecret},
		{"find it in the list, page by page", r.list},
		{"create an item, masked", r.createItem},
		{"reveal it, byte for byte", r.reveal},
		{"the budget counts the reveal", r.budget},
		{"the access log has the reveal", r.events},
		{"compressed answers", r.compressedAnswers},
		{"compressed requests", r.compressedRequests},
		{"401 without a key", func() error { return r.refused(401, "GET", "/api/secrets/", "", "Authorization", "") }},
		{"404 for an unknown path", func() error { return r.refused(404, "GET", "/api/no-such-thing/", "") }},
		{"404 for an unknown secret", func() error { return r.refused(404, "GET", "/api/secrets/00000000-0000-4000-8000-000000000000/", "") }},
		{"405 for another method", func() error { return r.refused(405, "PUT", "/api/secrets/", "{}") }},
		{"413 for a body that is too large", func() error {
			return r.refused(413, "POST", "/api/secrets/", `{"name": "`+strings.Repeat("x", 600<<10)+`"}`)
		}},
		{"415 for another media type", func() error { return r.refused(415, "POST", "/api/secrets/", "{}", "Content-Type", "text/plain") }},
		{"deliver it to a service", r.deliver},
		{"delete everything again", r.cleanUp},
	} {
		err := check.do()
		switch {
		case errors.Is(err, errSkipped):
			fmt.Fprintf(out, "skipped  %s: this emulator lacks it\n", check.what)
		case err != nil:
			failed++
			fmt.Fprintf(out, "FAILED   %s: %v\n", check.what, err)
		default:
			fmt.Fprintf(out, "ok       %s\n", check.what)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

// call makes a request. Headers are pairs; an empty value removes one.
func (r *run) call(method, address, body string, headers ...string) (response, error) {
	request, err := http.NewRequestWithContext(r.ctx, method, address, strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	request.Header.Set("Authorization", "Bearer "+r.key)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			request.Header.Del(headers[i])
		}
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return response{}, withoutKey(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err == nil && answer.Header.Get("Content-Encoding") == "gzip" {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(content)); err == nil {
			content, err = io.ReadAll(z)
		}
	}
	if err != nil {
		return response{}, err
	}
	read := response{status: answer.StatusCode, header: answer.Header, body: string(content)}
	_ = json.Unmarshal(content, &read.object) // nil if it is not an object
	return read, nil
}

// withoutKey returns the cause of a failed request, without its address.
func withoutKey(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// want makes a request that must have this status.
func (r *run) want(status int, method, address, body string, headers ...string) (response, error) {
	got, err := r.call(method, address, body, headers...)
	if err == nil && got.status != status {
		err = fmt.Errorf("%s = %d %s, want %d", method, got.status, r.redacted(got.body), status)
	}
	return got, err
}

// redacted is a body without the value that this run has stored.
func (r *run) redacted(body string) string {
	if r.value != "" && strings.Contains(body, r.value[:8]) {
		return "(a body with the value)"
	}
	return strings.TrimSpace(body[:min(len(body), 200)])
}

// link is a link of an answer as this run can follow it. An emulator's address is not the one that the
// product builds links from: API Gateway's, by HTTPS.
func (r *run) link(address string) string {
	if _, path, ok := strings.Cut(address, "/api/"); ok && r.emulated {
		return r.url + "/api/" + path
	}
	return address
}

func (r *run) createSecret() error {
	made, err := r.want(201, "POST", r.url+"/api/secrets/", fmt.Sprintf(`{"name": %q}`, r.name))
	if err != nil {
		return err
	}
	r.secret, r.id = r.link(made.header.Get("Location")), fmt.Sprint(made.object["id"])
	if !strings.HasPrefix(r.secret, r.url+"/api/secrets/") {
		r.secret = r.url + "/api/secrets/" + r.id + "/"
		return fmt.Errorf("its Location is not below the API's address: %s", made.header.Get("Location"))
	}
	read, err := r.want(200, "GET", r.secret, "")
	if err == nil && read.object["name"] != r.name {
		err = fmt.Errorf("its name is %v, want %s", read.object["name"], r.name)
	}
	return err
}

func (r *run) list() error {
	// The first page is short, so that it has a link; the others are long, for accounts with many secrets.
	for page := r.url + "/api/secrets/?page_size=1"; page != ""; {
		read, err := r.want(200, "GET", page, "")
		if err != nil {
			return err
		}
		results, _ := read.object["results"].([]any)
		for _, result := range results {
			if found, _ := result.(map[string]any); found["id"] == r.id {
				return nil
			}
		}
		next, _ := read.object["next"].(string)
		next = r.link(next)
		if next != "" && !strings.HasPrefix(next, r.url+"/") {
			return fmt.Errorf("the link to the next page is not below the API's address: %s", next)
		}
		if page = next; page != "" {
			longer, err := url.Parse(page)
			if err != nil {
				return err
			}
			query := longer.Query()
			query.Set("page_size", "1000")
			longer.RawQuery = query.Encode()
			page = longer.String()
		}
	}
	return errors.New("no page has it")
}

func (r *run) createItem() error {
	r.value = rand.Text() + " \x01\t\r\n\"\\/</script>\u2028ü日本💥" + strings.Repeat(rand.Text(), 100)
	body, err := json.Marshal(map[string]string{"key": "SMOKE", "value": r.value})
	if err != nil {
		return err
	}
	made, err := r.want(201, "POST", r.secret+"items/", string(body))
	if err != nil {
		return err
	}
	r.item = r.secret + "items/" + fmt.Sprint(made.object["id"]) + "/"
	if made.object["value"] != "********" {
		return errors.New("its value is not masked")
	}
	listed, err := r.want(200, "GET", r.secret+"items/", "")
	if err == nil && strings.Contains(listed.body, r.value[:20]) {
		err = errors.New("the list has the value")
	}
	return err
}

func (r *run) budgetLeft() (int, error) {
	read, err := r.want(200, "GET", r.url+"/api/budget/", "")
	left, ok := read.object["left"].(float64)
	if err == nil && !ok {
		err = fmt.Errorf("it does not say what is left: %s", r.redacted(read.body))
	}
	return int(left), err
}

func (r *run) reveal() error {
	var err error
	if r.left, err = r.budgetLeft(); err != nil {
		return fmt.Errorf("the budget: %w", err)
	}
	r.hasLeft = true
	read, err := r.want(200, "GET", r.item, "")
	if err == nil && read.object["value"] != r.value {
		err = errors.New("the value is another one")
	}
	if err == nil && read.header.Get("RateLimit") == "" {
		err = errors.New("the answer has no RateLimit")
	}
	return err
}

func (r *run) budget() error {
	left, err := r.budgetLeft()
	if err == nil && r.hasLeft && left >= r.left {
		err = fmt.Errorf("%d are left, want fewer than %d", left, r.left)
	}
	return err
}

// events waits for the reveal among the item's events: an index may lag by a second. One's own need no permission.
func (r *run) events() error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		read, err := r.want(200, "GET", r.item+"events/?user=me&action=item.revealed", "")
		found, _ := read.object["results"].([]any)
		switch {
		case err != nil || len(found) == 1:
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("it has %d events of one reveal", len(found))
		}
	}
}

func (r *run) compressedAnswers() error {
	page, err := r.want(200, "GET", r.url+"/console/", "")
	if err != nil {
		return err
	}
	script := regexp.MustCompile(`<script[^>]* src="([^"]+)"`).FindStringSubmatch(page.body)
	if script == nil {
		return errors.New("the console's page has no script")
	}
	read, err := r.want(200, "GET", r.url+"/console/"+script[1], "", "Accept-Encoding", "gzip")
	if err != nil {
		return err
	}
	if read.header.Get("Content-Encoding") != "gzip" {
		if r.emulated {
			return errSkipped
		}
		return errors.New("the answer is not compressed")
	}
	return nil
}

func (r *run) compressedRequests() error {
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	_, _ = fmt.Fprintf(z, `{"name": %q}`, r.name+"-gzip") // memory
	_ = z.Close()
	made, err := r.call("PATCH", r.secret, body.String(), "Content-Encoding", "gzip")
	if err == nil && made.status == 400 && r.emulated {
		return errSkipped
	}
	if err == nil && (made.status != 200 || made.object["name"] != r.name+"-gzip") {
		err = fmt.Errorf("a compressed PATCH = %d %s", made.status, r.redacted(made.body))
	}
	return err
}

// refused wants an error in the documented shape, and no cache.
func (r *run) refused(status int, method, path, body string, headers ...string) error {
	read, err := r.want(status, method, r.url+path, body, headers...)
	if err != nil {
		// sam local and other emulators ignore the gateway's own responses.
		if r.emulated && read.status == 403 && status == 404 {
			return errSkipped
		}
		return err
	}
	if detail, ok := read.object["detail"].(string); !ok || detail == "" || len(read.object) != 1 {
		return fmt.Errorf("the body is %s, want a detail alone", r.redacted(read.body))
	}
	if got := read.header.Get("Cache-Control"); got != "no-store" {
		return fmt.Errorf("Cache-Control is %q, want no-store", got)
	}
	return nil
}

func (r *run) deliver() error {
	made, err := r.want(201, "POST", r.url+"/api/services/", fmt.Sprintf(`{"name": %q, "image": "smoke:1", "port": 80, "secret": %q}`, r.name, r.id))
	if err != nil {
		return err
	}
	r.service = r.url + "/api/services/" + fmt.Sprint(made.object["id"]) + "/"
	if _, err := r.want(409, "DELETE", r.secret, ""); err != nil {
		return fmt.Errorf("a used secret: %w", err)
	}
	for {
		read, err := r.want(200, "GET", r.secret, "")
		if err != nil {
			return err
		}
		if read.object["status"] == "ready" {
			return nil
		}
		select {
		case <-r.ctx.Done():
			return fmt.Errorf("it is %v at the end of the time", read.object["status"])
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// cleanUp deletes what the run has created, once, also after the time is up.
func (r *run) cleanUp() error {
	if r.ended {
		return nil
	}
	r.ended = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 10*time.Second)
	defer cancel()
	r.ctx = ctx
	var errs []error
	for _, address := range []string{r.service, r.item, r.secret} {
		if address == "" {
			continue
		}
		if _, err := r.want(204, "DELETE", address, ""); err != nil {
			errs = append(errs, err)
		} else if address == r.item { // a read of it would cost a reveal
			continue
		} else if _, err := r.want(404, "GET", address, ""); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
