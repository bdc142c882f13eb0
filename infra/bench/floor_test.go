package main

import (
	"maps"
	"testing"
)

// The floor is fair: it makes the same calls as the product, with the same units and, within
// 2 %, the same number of bytes sent.
func TestFloorMakesTheProductsCalls(t *testing.T) {
	c := newCounter(t)
	secret, productItem := c.secret("compared", listed)
	floorItem, err := c.floor.create(t.Context(), c.caller, secret, "KEY_100", plaintext)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.floor.fillCounter(t.Context(), c.caller); err != nil {
		t.Fatal(err)
	}
	// Keys and ids of equal length, so that the requests can be equal too.
	product := productCalls(t.Context(), c.manager, "PRODUCT_", func(int) seat { return seat{c.caller, secret, productItem, secret} })
	bare := floorCalls(t.Context(), c.floor, "FLOOR___", func(int) seat { return seat{c.caller, secret, floorItem, secret} })
	for _, name := range operations {
		a, b := c.count(name, product[name](0)), c.count(name+" of the floor", bare[name](0))
		if !maps.Equal(a.Calls, b.Calls) || a.Reads != b.Reads || a.Writes != b.Writes ||
			a.IndexWrites != b.IndexWrites || max(a.Bytes, b.Bytes)*100 > min(a.Bytes, b.Bytes)*102 {
			t.Errorf("%s: the product makes %s (%g read and %g + %g write units, %d bytes), the floor %s (%g, %g + %g, %d)",
				name, a, a.Reads, a.Writes, a.IndexWrites, a.Bytes, b, b.Reads, b.Writes, b.IndexWrites, b.Bytes)
		}
	}
}
