package ministack

import "syscall"

// leashed are the attributes of a process that ends when we end, in whatever way:
// kill -9 included. It leads a group of its own, with the functions that it starts.
func leashed() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
