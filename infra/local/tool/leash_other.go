//go:build !linux

package tool

import (
	"os/exec"
	"syscall"
)

// Leash: only Linux can tie a process to ours. No emulator is installed elsewhere.
func Leash(cmd *exec.Cmd, _ syscall.Signal) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
