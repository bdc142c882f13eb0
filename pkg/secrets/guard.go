package secrets

import (
	"fmt"
	"runtime/debug"
)

// Guard calls do, and returns a panic of it as an error with the panic's type and place. Goroutines that
// may hold a value use it: an unrecovered panic ends the function, and prints what it holds.
func Guard(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic with %T at %s", p, debug.Stack())
		}
	}()
	return do()
}
