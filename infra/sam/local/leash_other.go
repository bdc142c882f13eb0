//go:build !linux

package main

import "syscall"

// leashed: only Linux can tie a process to ours.
func leashed() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
