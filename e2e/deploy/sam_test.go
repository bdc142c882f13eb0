package deploy

import (
	"bytes"
	"compress/flate"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"goblins-secrets/infra/local/checkout"
)

// samCLI is the SAM CLI with the emulator as its only AWS account.
type samCLI struct {
	program  string
	checkout string
	build    string // the folder of the built functions
	template string // the template that it deploys
	env      []string
}

func newSAM(t *testing.T, c cloud) samCLI {
	t.Helper()
	root, err := checkout.Path()
	if err != nil {
		t.Fatal(err)
	}
	s := samCLI{
		program: filepath.Join(root, ".tools", "sam", "bin", "sam"), checkout: root,
		build: filepath.Join(t.TempDir(), "build"), // SAM writes a build.toml beside it
		env:   append(withoutAWS(os.Environ()), append(c.Environment(), "SAM_CLI_TELEMETRY=0", "SAM_CLI_POLL_DELAY=1")...),
	}
	s.template = filepath.Join(s.build, "template.yaml")
	if _, err := os.Stat(s.program); err != nil {
		t.Fatalf("%v: run make test-deploy, which installs it", err)
	}
	return s
}

// withoutAWS returns the environment without credentials of an AWS account.
func withoutAWS(environment []string) []string {
	left := slices.DeleteFunc(slices.Clone(environment), func(variable string) bool {
		return strings.HasPrefix(variable, "AWS_") || strings.HasPrefix(variable, "SAM_")
	})
	return append(left, "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
}

// run runs it at the checkout's root and returns its stdout. It must succeed.
func (s samCLI) run(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	var all bytes.Buffer
	stdout, err := s.start(t, &all, args)
	if err != nil {
		t.Fatalf("sam %s: %v\n%s", strings.Join(args, " "), err, &all)
	}
	return stdout
}

// try is like run, but returns a failure, and stdout and stderr together.
func (s samCLI) try(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	var all bytes.Buffer
	_, err = s.start(t, &all, args)
	return all.String(), err
}

func (s samCLI) start(t *testing.T, all *bytes.Buffer, args []string) (stdout string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.program, args...)
	cmd.Dir, cmd.Env = s.checkout, s.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, all), all
	err = cmd.Run()
	return out.String(), err
}

// architecture is this machine's, because ministack runs the functions here.
var architecture = map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]

func (s samCLI) buildAll(t *testing.T) {
	s.run(t, "build", "--build-dir", s.build, "--parameter-overrides", "Architecture="+architecture)
}

// maxZip is the largest allowed package of a function, in bytes.
const maxZip = 6 << 20

// checkPackages checks that every built function is one static, stripped binary of a small
// size.
func (s samCLI) checkPackages(t *testing.T) {
	t.Helper()
	binaries, err := filepath.Glob(filepath.Join(s.build, "*", "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	folders, err := filepath.Glob(filepath.Join(s.checkout, "functions", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(binaries) != len(folders) {
		t.Errorf("%d functions are built, want %d", len(binaries), len(folders))
	}
	for _, path := range binaries {
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			t.Errorf("%s is packed with %v, %v, want only a bootstrap", filepath.Dir(path), entries, err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := elf.NewFile(bytes.NewReader(content))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if f.Section(".symtab") != nil || f.Section(".interp") != nil || f.Section(".dynamic") != nil {
			t.Errorf("%s is not static and stripped", path)
		}
		var packed bytes.Buffer
		w, err := flate.NewWriter(&packed, flate.BestSpeed) // a zip is a tenth smaller
		if err == nil {
			_, err = w.Write(content)
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		if packed.Len() > maxZip {
			t.Errorf("%s is %d bytes zipped, want at most %d", path, packed.Len(), maxZip)
		}
	}
}

// deploy deploys the built functions, as the README says and with samconfig.toml unchanged,
// apart from options that an emulator and a test need. Other parameters keep their values.
func (s samCLI) deploy(t *testing.T, parameters []string, options ...string) (stdout string) {
	t.Helper()
	return s.run(t, s.deployment(parameters, options...)...)
}

func (s samCLI) deployment(parameters []string, options ...string) (args []string) {
	args = append([]string{"deploy",
		"--template-file", s.template, "--config-file", filepath.Join(s.checkout, "samconfig.toml"),
		"--no-confirm-changeset", "--no-progressbar", // no operator confirms or watches
	}, options...)
	return append(append(args, "--parameter-overrides", "Architecture="+architecture), parameters...)
}

// packed returns a samCLI that deploys the uploaded functions. Otherwise SAM would spend most
// of a deployment on packing them, only to find that all have been uploaded.
func (s samCLI) packed(t *testing.T, c cloud) samCLI {
	t.Helper()
	built, err := os.ReadFile(s.template)
	if err != nil {
		t.Fatal(err)
	}
	var deployed struct {
		Resources map[string]struct {
			Properties struct {
				CodeURI string `yaml:"CodeUri"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal([]byte(c.template(t, "Original")), &deployed); err != nil {
		t.Fatal(err)
	}
	text := string(built) // re-encoded YAML would be a changed definition of the API for SAM
	for name, r := range deployed.Resources {
		if r.Properties.CodeURI != "" {
			text = strings.Replace(text, "CodeUri: "+name+"\n", "CodeUri: "+r.Properties.CodeURI+"\n", 1)
		}
	}
	s.template = filepath.Join(s.build, "packed.yaml")
	if err := os.WriteFile(s.template, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// changeSetARN is in the output of sam deploy --no-execute-changeset.
var changeSetARN = regexp.MustCompile(`arn:aws:cloudformation:\S+:changeSet/\S+`)
