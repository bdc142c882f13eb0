package emulator

import "syscall"

// leashed are the attributes of a process that ends when we end, in whatever way:
// kill -9 included. Ctrl-C in a terminal is for us alone: the process ends after us.
func leashed() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
