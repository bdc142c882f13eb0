// Package tool installs pinned programs that the project needs beside the toolchains,
// into .tools/, and runs those that are local servers.
package tool

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"goblins-secrets/infra/local/checkout"
)

// Tool is a program, or a library, that a package manager installs.
type Tool struct {
	Name, Title string
	Needs, Hint string     // the package manager, and what to do if it is missing
	Pins        fs.FS      // its files, such as a lock file, copied to the working folder
	Commands    [][]string // run in that folder, in order
}

// Install runs the commands once, in .tools/<name>-<hash of the pins>. A file lock makes
// other processes that need the same tool wait. The folder's name changes with the pins,
// so an outdated tool is never used.
func Install(ctx context.Context, t Tool, progress io.Writer) (dir string, err error) {
	names, err := fs.Glob(t.Pins, "*")
	if err != nil {
		return "", err
	}
	version := sha256.New()
	contents := make(map[string][]byte)
	for _, name := range names { // sorted
		content, err := fs.ReadFile(t.Pins, name)
		if err != nil {
			return "", err
		}
		contents[name] = content
		version.Write(content)
	}
	tools, err := checkout.Path(".tools")
	if err != nil {
		return "", err
	}
	dir = filepath.Join(tools, t.Name+"-"+hex.EncodeToString(version.Sum(nil)[:6]))
	done := filepath.Join(dir, ".installed")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close() // releases the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", dir, err)
	}
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if _, err := exec.LookPath(t.Needs); err != nil {
		return "", fmt.Errorf("%s is needed to install %s and is not on the PATH: %s", t.Needs, t.Title, t.Hint)
	}
	fmt.Fprintf(progress, "Installing %s into .tools, once …\n", t.Title)
	for name, content := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return "", err
		}
	}
	for _, command := range t.Commands {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Dir = dir
		var output bytes.Buffer
		cmd.Stdout, cmd.Stderr = &output, &output
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("install %s: %w", t.Title, errors.Join(err, errors.New(output.String())))
		}
	}
	return dir, os.WriteFile(done, nil, 0o644)
}

// Venv are the commands that install the packages of requirements.txt, and no others, into venv.
var Venv = [][]string{
	{"python3", "-m", "venv", "--clear", "venv"},
	{"venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--requirement", "requirements.txt"},
}

// Python installs the packages of requirements.txt, one of the pins, and returns the folder of their programs.
func Python(ctx context.Context, name, title string, pins fs.FS, progress io.Writer) (bin string, err error) {
	dir, err := Install(ctx, Tool{
		Name: name, Title: title,
		Needs: "python3", Hint: "install Python 3 with venv",
		Pins: pins, Commands: Venv,
	}, progress)
	return filepath.Join(dir, "venv", "bin"), err
}
