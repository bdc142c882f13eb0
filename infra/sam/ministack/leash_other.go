//go:build !linux

package ministack

import "syscall"

// leashed: only Linux can tie a process to ours. The functions run nowhere else.
func leashed() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
