package emulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"goblins-secrets/infra/local/checkout"
)

// What is installed, pinned: an npm package with its lock file, a Maven project.
//
//go:embed package.json package-lock.json pom.xml
var pins embed.FS

// installDynoxide returns the path of the dynoxide binary.
func installDynoxide(ctx context.Context, progress io.Writer) (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("the DynamoDB emulator is pinned for linux/amd64 only, not for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	dir, err := install(ctx, tool{
		name: "dynoxide", title: "the DynamoDB emulator (dynoxide, 8 MB)",
		needs: "npm", hint: "install Node.js",
		pins:    []string{"package.json", "package-lock.json"},
		command: []string{"npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"},
	}, progress)
	return filepath.Join(dir, "node_modules", "@dynoxide", "linux-x64", "dynoxide"), err
}

// installDynamoDBLocal returns the folder of DynamoDB Local's jars.
func installDynamoDBLocal(ctx context.Context, progress io.Writer) (string, error) {
	dir, err := install(ctx, tool{
		name: "dynamodb-local", title: "Amazon's DynamoDB Local (51 MB)",
		needs: "mvn", hint: "install Maven and Java 17",
		pins:    []string{"pom.xml"},
		command: []string{"mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"},
	}, progress)
	return filepath.Join(dir, "lib"), err
}

// tool is something that a package manager installs.
type tool struct {
	name, title string
	needs, hint string   // the package manager, and what to do without
	pins        []string // its files, copied to where it runs
	command     []string
}

// install runs a package manager in .tools/<name>-<hash of the pins>, once:
// another process that needs the same waits for it. The folder's name changes
// with the pins, so nothing old is ever used.
func install(ctx context.Context, t tool, progress io.Writer) (dir string, err error) {
	version := sha256.New()
	contents := make(map[string][]byte)
	for _, name := range t.pins {
		content, err := pins.ReadFile(name)
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
	dir = filepath.Join(tools, t.name+"-"+hex.EncodeToString(version.Sum(nil)[:6]))
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
	defer lock.Close() // releases it
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", dir, err)
	}
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if _, err := exec.LookPath(t.needs); err != nil {
		return "", fmt.Errorf("%s is needed to install %s and is not on the PATH: %s", t.needs, t.title, t.hint)
	}
	fmt.Fprintf(progress, "Installing %s into .tools, once …\n", t.title)
	for name, content := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, t.command[0], t.command[1:]...)
	cmd.Dir = dir
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("install %s: %w", t.title, errors.Join(err, errors.New(output.String())))
	}
	return dir, os.WriteFile(done, nil, 0o644)
}
