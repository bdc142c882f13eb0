package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOnlyTheBridgeReachesTheEmulator(t *testing.T) {
	emulator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	defer emulator.Close()
	ask := func(network net.IPMask) (string, error) {
		t.Helper()
		l, err := forward(&net.IPNet{IP: net.IPv4(127, 0, 0, 1), Mask: network}, emulator.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		// The client has another address of the loopback interface, as a container would.
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		client := http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
		response, err := client.Post("http://"+l.Addr().String(), "text/plain", strings.NewReader("hello"))
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	if body, err := ask(net.CIDRMask(8, 32)); body != "hello" || err != nil {
		t.Errorf("from the bridge: %q, %v, want an answer", body, err)
	}
	if body, err := ask(net.CIDRMask(32, 32)); err == nil {
		t.Errorf("from outside the bridge: %q, want no answer", body)
	}
}
