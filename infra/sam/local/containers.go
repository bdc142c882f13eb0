package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/infra/local/tool"
)

// containers holds the inputs that `sam local` needs to run functions in containers.
type containers struct {
	data      string
	key       string // an API key
	accessKey string // of the table's owner
	root      string // of the checkout
	overrides []string
	folder    string // of generated files: functions, template, variables
	out, log  io.Writer

	closers []func() error // in order of creation
}

func (c *containers) closeLater(f func() error) { c.closers = append(c.closers, f) }

// Close releases the resources of prepare, the newest first.
func (c *containers) Close() error {
	var errs []error
	for _, f := range slices.Backward(c.closers) {
		errs = append(errs, f())
	}
	c.closers = nil
	return errors.Join(errs...)
}

// prepare finds the stack or starts one, makes it reachable for containers, and builds
// one function, or all. Its files are in a folder of this name, which no other use shares.
func prepare(ctx context.Context, data, name, function string) (_ *containers, err error) {
	c := &containers{data: data, out: os.Stdout, log: os.Stderr}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.root, err = checkout.Path(); err != nil {
		return nil, err
	}
	tmpl, err := template.Read(filepath.Join(c.root, "template.yaml"), nil)
	if err != nil {
		return nil, err
	}
	bridge, err := dockerBridge(ctx)
	if err != nil {
		return nil, err
	}
	endpoints, err := c.stack(ctx)
	if err != nil {
		return nil, err
	}
	manager, err := endpoints.Manager(tmpl, "CreateAccount")
	if err != nil {
		return nil, err
	}
	if err := seed(ctx, manager); err != nil {
		return nil, err
	}
	if c.folder, err = filepath.Abs(filepath.Join(data, "sam", name)); err != nil {
		return nil, err
	}
	if err := c.remove(); err != nil {
		return nil, err
	}
	c.closeLater(c.remove)
	if err := c.build(ctx, function); err != nil {
		return nil, err
	}
	return c, c.writeVariables(bridge, endpoints)
}

// stack returns the stack that runs on the data folder, or starts one.
func (c *containers) stack(ctx context.Context) (stack.Endpoints, error) {
	endpoints, err := stack.Running(c.data)
	if errors.Is(err, fs.ErrNotExist) {
		s, startErr := stack.Start(ctx, stack.Config{Addr: "127.0.0.1:0", Data: c.data, Progress: c.log})
		if startErr != nil {
			return endpoints, startErr
		}
		c.closeLater(s.Close)
		endpoints, err = stack.Running(c.data)
	}
	if err != nil {
		return endpoints, err
	}
	key, err := os.ReadFile(filepath.Join(c.data, "key"))
	c.accessKey = endpoints.AccessKey
	c.key = strings.TrimSpace(string(key))
	return endpoints, err
}

// build builds functions for this machine, and their base image. It uses its own build
// folder: `sam deploy` deploys the one of a plain `sam build`.
func (c *containers) build(ctx context.Context, function string) error {
	fmt.Fprintln(c.log, "Building …")
	architecture := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	c.overrides = []string{"--parameter-overrides", "Architecture=" + architecture}
	args := []string{"build"}
	if function != "" {
		args = append(args, function)
	}
	args = append(args, "--build-dir", filepath.Join(c.folder, "build"))
	for _, cmd := range []*exec.Cmd{
		exec.CommandContext(ctx, filepath.Join(c.root, "infra", "sam", "base-image.sh")),
		c.command(ctx, append(args, c.overrides...)...),
	} {
		var output strings.Builder
		cmd.Stdout, cmd.Stderr = &output, &output
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), cmp.Or(ctx.Err(), err), output.String())
		}
	}
	return adapt(filepath.Join(c.folder, "build", "template.yaml"))
}

// writeVariables writes the file for --env-vars. It has those variables of the functions
// whose values in the template are meaningless here.
func (c *containers) writeVariables(bridge *net.IPNet, endpoints stack.Endpoints) error {
	variables := map[string]string{"TABLE_NAME": endpoints.Table, "MASTER_KEY_ARN": endpoints.MasterKey}
	for name, endpoint := range map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB": endpoints.DynamoDB, "AWS_ENDPOINT_URL_KMS": endpoints.KMS,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoints.SecretsManager,
	} {
		at, err := url.Parse(endpoint)
		if err != nil {
			return err
		}
		f, err := forward(bridge, at.Host)
		if err != nil {
			return err
		}
		c.closeLater(f.Close)
		variables[name] = "http://" + f.Addr().String()
	}
	content, err := json.Marshal(map[string]any{"Parameters": variables}) // "Parameters" means all functions
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.folder, "variables.json"), content, 0o600)
}

// command returns a command of the SAM CLI, which runs in the checkout and sees none of the
// caller's AWS credentials.
func (c *containers) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.root, ".tools", "sam", "bin", "sam"), args...)
	cmd.Dir = c.root
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "AWS_") })
	cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+c.accessKey, "AWS_SECRET_ACCESS_KEY=local", "AWS_DEFAULT_REGION=us-east-1", "SAM_CLI_TELEMETRY=0")
	return cmd
}

// serve runs one of SAM's servers until the context ends.
func (c *containers) serve(ctx context.Context, command, addr string, options ...string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	return c.sam(ctx, append([]string{command, "--host", host, "--port", port, "--no-watch"}, options...)...)
}

// sam runs a command of `sam local`, with samconfig.toml's environment local, until it
// ends or the context does.
func (c *containers) sam(ctx context.Context, args ...string) error {
	args = append([]string{"local"}, args...)
	args = append(args, "--template-file", filepath.Join(c.folder, "build", "template.yaml"),
		"--env-vars", filepath.Join(c.folder, "variables.json"),
		"--config-file", filepath.Join(c.root, "samconfig.toml"), "--config-env", "local")
	cmd := c.command(ctx, append(args, c.overrides...)...)
	// If this process dies, SAM may leave its containers; the next prepare removes them. SAM also
	// leaves them after a second Ctrl-C. So only this process receives the first, and forwards it.
	tool.Leash(cmd, syscall.SIGTERM)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Stdout, cmd.Stderr = c.out, c.log
	runtime.LockOSThread() // the leash is tied to the thread that starts the process
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: make sam-local installs the SAM CLI", err)
	}
	if err := cmd.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("sam local: %w", err)
	}
	return nil // it ended, or the context did
}

// remove removes containers that SAM left behind because it, or its parent, was killed.
func (c *containers) remove() error {
	ids, err := docker("ps", "--all", "--quiet", "--no-trunc", "--filter", "label=sam.cli.container.type=lambda")
	if err != nil || len(ids) == 0 {
		return err
	}
	// Our containers mount a function of our folder. inspect fails for containers that have gone
	// since, so its error is ignored.
	described, _ := docker(append([]string{"inspect", "--format", "{{.Id}}={{range .Mounts}}{{.Source}}{{end}}"}, ids...)...)
	ours := []string{"rm", "--force"}
	for _, line := range described {
		if id, source, _ := strings.Cut(line, "="); strings.HasPrefix(source, c.folder+"/") {
			ours = append(ours, id)
		}
	}
	if len(ours) > 2 {
		_, err = docker(ours...)
	}
	return err
}

// docker runs Docker's client and returns the lines that it prints.
func docker(args ...string) (lines []string, err error) {
	output, err := exec.Command("docker", args...).Output()
	if err != nil {
		err = fmt.Errorf("docker %s: %w", args[0], err)
	}
	return strings.FieldsFunc(string(output), func(r rune) bool { return r == '\n' }), err
}
