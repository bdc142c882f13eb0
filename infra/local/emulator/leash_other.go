//go:build !linux

package emulator

import "syscall"

// leashed: only Linux can tie a process to ours. No emulator is installed elsewhere.
func leashed() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
