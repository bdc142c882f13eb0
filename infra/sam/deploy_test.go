package sam_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"goblins-secrets/infra/local/checkout"
)

// What is missing is said before anything is installed or built: the folder has no Makefile, so that any step
// behind the checks fails in another way.
func TestDeployChecksRegionAndCredentialsFirst(t *testing.T) {
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
	profile := filepath.Join(folder, "config")
	if err := os.WriteFile(profile, []byte("[profile team]\nregion = eu-west-1\n"), 0o600); err != nil {
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
		"both, from a profile":    {nil, []string{"AWS_CONFIG_FILE=" + profile, "AWS_PROFILE=team"}, "No rule to make target"},
		"another profile":         {nil, []string{"AWS_CONFIG_FILE=" + profile, "AWS_PROFILE=other"}, "deploy: set the region first"},
		"a build needs neither":   {[]string{"--only", "build"}, nil, "No rule to make target"},
		"a deployment needs both": {[]string{"--only", "deploy", "prod"}, nil, "deploy: set the region first"},
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(folder, "infra/sam/deploy.sh"), tt.args...)
		cmd.Env = append(tt.env, "PATH="+os.Getenv("PATH"), "HOME="+folder)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v, %s, want %s", name, err, out, tt.want)
		}
	}
}
