// Package ministack starts ministack, an emulator of AWS that takes a real `sam deploy`:
// CloudFormation, Lambda, API Gateway, DynamoDB, KMS, IAM and more behind one port. It
// runs the functions' binaries as processes of this machine, and holds every call of
// theirs against the role that they have. It is installed, pinned, into .tools/.
package ministack

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"

	"goblins-secrets/infra/local/tool"
)

// The credentials that ministack takes for the account's root, and its region.
const (
	AccessKey = "root"
	SecretKey = "secret"
	Region    = "us-east-1"
)

// Ministack is a running ministack. It keeps everything in memory. Close ends the functions
// that it runs, too.
type Ministack struct {
	URL string // of all services, and of the APIs that are deployed

	*tool.Process
}

// Start runs ministack on a free port of this machine, and returns when it answers. It
// installs it first if need be, and says so on progress. What it unpacks goes
// into the folder dir.
func Start(ctx context.Context, dir string, progress io.Writer) (*Ministack, error) {
	python, err := install(ctx, progress)
	if err != nil {
		return nil, err
	}
	port, err := tool.FreePort()
	if err != nil {
		return nil, err
	}
	m := &Ministack{URL: "http://127.0.0.1:" + port}
	cmd := exec.Command(python, "-c", launch)
	cmd.Dir = dir
	// Nothing of ours: the functions inherit all of it.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "STATE_DIR=" + dir, "LANG=C.UTF-8",
		"BIND_HOST=127.0.0.1", "GATEWAY_PORT=" + port,
		"AUTH=true",           // signatures and IAM count
		"IOT_MTLS_ENABLED=0",  // which would take a port
		"DOCKER_HOST=unix://", // it would remove containers that it takes for its own
		"LOG_LEVEL=WARNING",
		"AWS_ACCESS_KEY_ID=" + AccessKey, "AWS_SECRET_ACCESS_KEY=" + SecretKey, "AWS_DEFAULT_REGION=" + Region,
		"AWS_ENDPOINT_URL=" + m.URL, // for the functions
	}
	m.Process, err = tool.Start(ctx, "ministack", cmd, func(ctx context.Context) bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL+"/_ministack/health", nil)
		if err != nil {
			return false
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Environment are the variables that lead any AWS client to ministack, as its root.
func (m *Ministack) Environment() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + m.URL, "AWS_ACCESS_KEY_ID=" + AccessKey, "AWS_SECRET_ACCESS_KEY=" + SecretKey,
		"AWS_REGION=" + Region, "AWS_DEFAULT_REGION=" + Region, "AWS_EC2_METADATA_DISABLED=true",
	}
}
