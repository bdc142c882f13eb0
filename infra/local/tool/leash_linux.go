package tool

import (
	"os/exec"
	"syscall"
)

// Leash has a command that is still to be started end, by this signal, when we end, in
// whatever way: kill -9 included. Ctrl-C in a terminal is for us alone: the process
// ends after us. It is tied to the thread that starts it, which must not end before us
// (runtime.LockOSThread).
func Leash(cmd *exec.Cmd, end syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: end}
}
