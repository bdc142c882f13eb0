//go:build !linux

package tool

import (
	"os/exec"
	"syscall"
)

// Leash does not tie the command to our process: only Linux can do that. No emulator is
// installed on other systems.
func Leash(cmd *exec.Cmd, _ syscall.Signal) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
