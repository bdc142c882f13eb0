package ministack

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"goblins-secrets/infra/local/checkout"
)

//go:embed requirements.txt
var requirements []byte

// install puts ministack into a venv, .tools/ministack-<hash of the requirements>, once:
// another process that needs it waits. The folder's name changes with the requirements,
// so nothing old is ever used. It returns the path of the program.
func install(ctx context.Context, progress io.Writer) (string, error) {
	version := sha256.Sum256(requirements)
	dir, err := checkout.Path(".tools", "ministack-"+hex.EncodeToString(version[:6]))
	if err != nil {
		return "", err
	}
	venv := filepath.Join(dir, "venv")
	program := filepath.Join(venv, "bin", "ministack")
	done := filepath.Join(dir, ".installed")
	if _, err := os.Stat(done); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close() // releases it
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", dir, err)
	}
	if _, err := os.Stat(done); err == nil {
		return program, nil
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", errors.New("python3 is needed to install ministack and is not on the PATH: install Python 3 with venv")
	}
	fmt.Fprintln(progress, "Installing ministack (128 MB) into .tools, once, which takes half a minute …")
	pins := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(pins, requirements, 0o644); err != nil {
		return "", err
	}
	for _, command := range [][]string{
		{python, "-m", "venv", "--clear", venv},
		{filepath.Join(venv, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement", pins},
	} {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		var output bytes.Buffer
		cmd.Stdout, cmd.Stderr = &output, &output
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("install ministack: %w", errors.Join(err, errors.New(output.String())))
		}
	}
	return program, os.WriteFile(done, nil, 0o644)
}
