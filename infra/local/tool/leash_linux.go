package tool

import (
	"os/exec"
	"syscall"
)

// Leash makes the kernel send this signal to a command, not yet started, when our
// process ends, even by kill -9. Ctrl-C in a terminal reaches only us, so the command
// ends after us. The leash is tied to the thread that starts the command: that thread
// must not end before us (runtime.LockOSThread).
func Leash(cmd *exec.Cmd, end syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: end}
}
