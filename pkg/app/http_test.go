package app_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"goblins-secrets/pkg/app"
)

// sdkBody is a request's body of the SDK after the response arrived before the end of its
// copy: it can be read, but its WriteTo fails.
type sdkBody struct{ io.Reader }

func (sdkBody) WriteTo(io.Writer) (int64, error) { return 0, errors.New("closed already") }
func (sdkBody) Close() error                     { return nil }

// A request does not depend on the SDK's body, and net/http can send it again over another
// connection.
func TestRequestBodiesDoNotDependOnTheSDK(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body) // the client reports what arrived
	}))
	defer server.Close()
	sent := bytes.Repeat([]byte("body "), 20_000)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, sdkBody{bytes.NewReader(sent)})
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(sent)) // as the SDK sets it
	response, err := app.HTTPClient(10 * time.Second).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes arrived, %v, want the %d that were sent", len(got), err, len(sent))
	}
	again, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(again); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("sent again: %d bytes, %v, want %d", len(got), err, len(sent))
	}
}
