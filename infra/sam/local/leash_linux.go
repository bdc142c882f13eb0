package main

import "syscall"

// leashed are the attributes of a process that ends when we end, in whatever way: kill -9
// included, though SAM then leaves its containers to the next that prepares. Ctrl-C in a
// terminal is for us alone, and we pass it on once: at a second one SAM leaves them too.
func leashed() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
