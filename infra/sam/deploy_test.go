package sam_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"goblins-secrets/infra/local/checkout"
)

// What is missing is said before anything is installed or built: the folder has no Makefile, so that any step
// behind the checks fails in another way.
func TestDeployChecksRegionAndCredentialsFirst(t *testing.T) {
	folder := copied(t)
	profiles := filepath.Join(folder, "config")
	text := "[profile team]\nregion = eu-west-1\nsso_session = team\n[profile empty]\nregion = eu-west-1\n"
	if err := os.WriteFile(profiles, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "sys_vendor"), []byte("Amazon EC2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const region, keys = "AWS_DEFAULT_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=x"
	for name, tt := range map[string]struct {
		args, env []string
		want      string
	}{
		"no region":               {nil, []string{keys}, "deploy: set the region first"},
		"no credentials":          {nil, []string{region}, "deploy: set AWS credentials first"},
		"no such environment":     {[]string{"staging"}, []string{region, keys}, "deploy: samconfig.toml has no environment staging"},
		"both":                    {nil, []string{region, keys}, "No rule to make target"},
		"both, from a profile":    {nil, []string{"AWS_CONFIG_FILE=" + profiles, "AWS_PROFILE=team"}, "No rule to make target"},
		"a profile with a region": {nil, []string{"AWS_CONFIG_FILE=" + profiles, "AWS_PROFILE=empty"}, "deploy: set AWS credentials first"},
		"a machine of AWS":        {nil, []string{region, "DMI=" + folder}, "No rule to make target"},
		"another profile":         {nil, []string{"AWS_CONFIG_FILE=" + profiles, "AWS_PROFILE=other"}, "deploy: set the region first"},
		"a build needs neither":   {[]string{"--only", "build"}, nil, "No rule to make target"},
		"a deployment needs both": {[]string{"--only", "deploy", "prod"}, nil, "deploy: set the region first"},
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(folder, "infra/sam/deploy.sh"), tt.args...)
		cmd.Env = append([]string{"DMI=/nonexistent"}, tt.env...)
		cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"), "HOME="+folder)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v, %s, want %s", name, err, out, tt.want)
		}
	}
}

// copied returns a folder with the script and samconfig.toml.
func copied(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"samconfig.toml", "infra/sam/deploy.sh"} {
		path, err := checkout.Path(name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, content, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// What was built is what BuiltFor names, also where two jobs build and deploy. The first deployment, which asks,
// is the same release as the next one with its answers. (SAM and boto3 are stand-ins here.)
func TestReleaseAndArchitectureAreThoseOfTheBuild(t *testing.T) {
	folder := copied(t)
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("Makefile", ".tools/sam/.installed: ;\n")
	// The answers go to samconfig.toml, as SAM writes them.
	write(".tools/sam/bin/sam", `#!/bin/sh
echo "$*" >>calls
case "$*" in
build*) mkdir -p .aws-sam ;;
*--guided*) sed -i 's/^\[default\.deploy\.parameters\]/&\nparameter_overrides = "ReadLimit=\\"50\\" Architecture=\\"x86_64\\""/' samconfig.toml ;;
*list*) echo '[]' ;;
esac
`)
	write(".tools/sam/bin/python", `#!/bin/sh
exec python3 "$@"
`)
	write("boto3.py", `import os
class client:
    def __init__(self, name): pass
    def get_caller_identity(self): pass
    def describe_stacks(self, StackName):
        if not os.path.exists("deployed"):
            from botocore.exceptions import ClientError
            raise ClientError("the stack does not exist")
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Parameters": [{"ParameterKey": "Architecture", "ParameterValue": "x86_64"}]}]}
`)
	write("botocore/__init__.py", "")
	write("botocore/exceptions.py", "class ClientError(Exception): pass\nclass BotoCoreError(Exception): pass\n")
	git := exec.Command("sh", "-c", "git init -q && git -c user.name=n -c user.email=e commit -q --allow-empty -m x && echo '*' >.git/info/exclude")
	git.Dir = folder
	if out, err := git.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	deploy := func(input string, args ...string) (calls []string) {
		t.Helper()
		_ = os.Remove(filepath.Join(folder, "calls"))
		cmd := exec.CommandContext(t.Context(), "infra/sam/deploy.sh", args...)
		cmd.Dir, cmd.Stdin = folder, strings.NewReader(input)
		cmd.Env = []string{"AWS_DEFAULT_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=x", "PATH=" + os.Getenv("PATH"), "HOME=" + folder, "PYTHONPATH=" + folder}
		out, _ := cmd.CombinedOutput() // the stand-in has no outputs of the stack to show
		t.Logf("%s", out)
		text, err := os.ReadFile(filepath.Join(folder, "calls"))
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	find := func(calls []string, pattern string) string {
		t.Helper()
		for _, call := range calls {
			if found := regexp.MustCompile(pattern).FindString(call); found != "" && !strings.Contains(call, "--guided") {
				return found
			}
		}
		t.Fatalf("no call of SAM has %s: %q", pattern, calls)
		return ""
	}
	first := deploy("x86_64\n")
	if find(first, "^build.*Architecture=x86_64"); !strings.Contains(strings.Join(first, "\n"), "--guided --no-execute-changeset") {
		t.Errorf("the first deployment asked nothing, or made what it asked for: %q", first)
	}
	release := find(first, "Release=[^ ]*")
	find(first, "BuiltFor=x86_64")
	write("deployed", "")
	if again := find(deploy(""), "Release=[^ ]*"); again != release {
		t.Errorf("the second deployment is %s, want %s", again, release)
	}
	// Two jobs: the build knows no stack and no answer, and builds for arm64; the deployment then says so.
	config, err := os.ReadFile(filepath.Join(folder, "samconfig.toml"))
	if err != nil {
		t.Fatal(err)
	}
	write("samconfig.toml", strings.ReplaceAll(string(config), ` Architecture=\"x86_64\"`, ""))
	deploy("", "--only", "build")
	find(deploy("", "--only", "deploy"), "Architecture=x86_64 BuiltFor=arm64")
}
