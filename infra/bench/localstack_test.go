package main

import "testing"

// The measurement starts the local stack, signs in to it and reads a secret of 300 items.
func TestLocalStackIsMeasured(t *testing.T) {
	r := newReport()
	if err := measureStack(t.Context(), size{stackRuns: 1}, t.TempDir(), r); err != nil {
		t.Error(err)
	}
}
